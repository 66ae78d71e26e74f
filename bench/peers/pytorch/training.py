"""Samples a second of stochastic gradient descent with PyTorch on one thread, for the bench `training`.

Reads {"cases": [[network, batch size, samples], ...], "rounds": n} from standard input; network is "2NN" or "CNN" of McMahan et al. 2017.
Prints {"version": ..., "rates": [...]}: the median of the rounds for each case, in order.
"""

import json
import statistics
import sys
import time

import torch
from torch import nn

NETWORKS = {
    "2NN": lambda: nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10),
    ),
    "CNN": lambda: nn.Sequential(
        nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(3136, 512), nn.ReLU(), nn.Linear(512, 10),
    ),
}


def rate(network, batch_size, samples, rounds):
    torch.manual_seed(1)
    model = NETWORKS[network]()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    loss_of = nn.CrossEntropyLoss()
    x = torch.rand(batch_size, 1, 28, 28)
    y = torch.randint(10, (batch_size,))

    def train():
        for _ in range(0, samples, batch_size):
            optimiser.zero_grad()
            loss_of(model(x), y).backward()
            optimiser.step()

    train()
    rates = []
    for _ in range(rounds):
        started = time.perf_counter()
        train()
        rates.append(samples / (time.perf_counter() - started))
    return statistics.median(rates)


asked = json.load(sys.stdin)
torch.set_num_threads(1)
rates = [rate(*case, asked["rounds"]) for case in asked["cases"]]
print(json.dumps({"version": torch.__version__, "rates": rates}))
