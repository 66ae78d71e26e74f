//! Reconciles two sets with negentropy and says what it cost.
//!
//! Input, one line per element: `<timestamp> <id, 64 hex digits> <a|b|ab>`, the last word naming the sides that hold it.
//! Output, one line of JSON: bytes of all messages both ways, round trips, and how many ids each side lacked.

use std::io::{self, BufRead};

use negentropy::{Id, Negentropy, NegentropyStorageVector};

fn main() {
    // No limit: as many bytes in one message as it takes.
    let frame_bytes_max: u64 = std::env::args()
        .nth(1)
        .map_or(0, |text| text.parse().expect("frame size is a number"));
    let (mut ours, mut theirs) = (NegentropyStorageVector::new(), NegentropyStorageVector::new());
    for line in io::stdin().lock().lines() {
        let line = line.expect("input is text");
        let mut words = line.split(' ');
        let timestamp: u64 = words.next().and_then(|word| word.parse().ok()).expect("timestamp");
        let id = id_of(words.next().expect("id"));
        let sides = words.next().expect("sides");
        if sides.contains('a') {
            ours.insert(timestamp, id).expect("insert");
        }
        if sides.contains('b') {
            theirs.insert(timestamp, id).expect("insert");
        }
    }
    ours.seal().expect("seal");
    theirs.seal().expect("seal");

    let mut initiator = Negentropy::borrowed(&ours, frame_bytes_max).expect("initiator");
    let mut responder = Negentropy::borrowed(&theirs, frame_bytes_max).expect("responder");
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let (mut bytes, mut round_trips) = (0, 0);
    let mut next = Some(initiator.initiate().expect("initiate"));
    while let Some(message) = next {
        let answer = responder.reconcile(&message).expect("reconcile");
        bytes += message.len() + answer.len();
        round_trips += 1;
        next = initiator
            .reconcile_with_ids(&answer, &mut have, &mut need)
            .expect("reconcile with ids");
    }
    println!(
        "{{\"bytes\":{bytes},\"roundTrips\":{round_trips},\"have\":{},\"need\":{}}}",
        have.len(),
        need.len()
    );
}

fn id_of(hex: &str) -> Id {
    assert_eq!(hex.len(), 64, "id has 64 hex digits");
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[i * 2..i * 2 + 2], 16).expect("hex digits");
    }
    Id::from_byte_array(bytes)
}
