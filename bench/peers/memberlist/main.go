// What bench/micro/liveness_bench.ts and the tests of protocols/liveness hold ours against: hashicorp/memberlist. Never part of a node.
//
//	go run . vectors                 prints what its formulas answer, as JSON
//	go run . detect NODES LOSS KILLS  lets NODES members run in this process, kills some, prints how long the others needed, as JSON
//
// Its unexported formulas are reached by linkname, so that the numbers are its own.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/rand"
	"net"
	"os"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	_ "unsafe"

	"github.com/hashicorp/memberlist"
)

//go:linkname suspicionTimeout github.com/hashicorp/memberlist.suspicionTimeout
func suspicionTimeout(suspicionMult, n int, interval time.Duration) time.Duration

//go:linkname remainingSuspicionTime github.com/hashicorp/memberlist.remainingSuspicionTime
func remainingSuspicionTime(n, k int32, elapsed time.Duration, min, max time.Duration) time.Duration

//go:linkname retransmitLimit github.com/hashicorp/memberlist.retransmitLimit
func retransmitLimit(retransmitMult, n int) int

func main() {
	if len(os.Args) == 2 && os.Args[1] == "vectors" {
		printJSON(vectors())
		return
	}
	if len(os.Args) == 5 && os.Args[1] == "detect" {
		nodes, err := strconv.Atoi(os.Args[2])
		loss, err2 := strconv.ParseFloat(os.Args[3], 64)
		kills, err3 := strconv.Atoi(os.Args[4])
		if err == nil && err2 == nil && err3 == nil && nodes > kills+1 {
			printJSON(detect(nodes, loss, kills))
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: vectors | detect NODES LOSS KILLS, with more nodes than are killed and a loss of 0-1")
	os.Exit(2)
}

func printJSON(value any) {
	out, _ := json.Marshal(value)
	fmt.Println(string(out))
}

type object = map[string]any

func vectors() object {
	config := memberlist.DefaultLANConfig()
	least, remaining, limits := []object{}, []object{}, []object{}
	for _, n := range []int{1, 2, 3, 5, 9, 10, 11, 32, 50, 100, 316, 500, 1000, 5000, 10000} {
		timeout := suspicionTimeout(config.SuspicionMult, n, config.ProbeInterval)
		least = append(least, object{"members": n, "ms": timeout.Milliseconds()})
		limits = append(limits, object{"members": n, "limit": retransmitLimit(config.RetransmitMult, n)})
	}
	for _, k := range []int32{1, 2, 3, 5} {
		for n := int32(0); n <= k+1; n++ {
			for _, min := range []int64{500, 2000, 6000} {
				for _, factor := range []int64{4, 6, 15} {
					for _, elapsed := range []int64{0, 1500} {
						left := remainingSuspicionTime(n, k, ms(elapsed), ms(min), ms(min*factor))
						remaining = append(remaining, object{"confirmed": n, "confirmations": k, "elapsedMs": elapsed,
							"leastMs": min, "mostMs": min * factor, "remainingMs": left.Milliseconds()})
					}
				}
			}
		}
	}
	return object{
		"source":          "github.com/hashicorp/memberlist v0.7.0, DefaultLANConfig",
		"suspicionMult":   config.SuspicionMult,
		"retransmitMult":  config.RetransmitMult,
		"probeIntervalMs": config.ProbeInterval.Milliseconds(),
		"healthWorst":     config.AwarenessMaxMultiplier - 1,
		"least":           least,
		"remaining":       remaining,
		"retransmit":      limits,
	}
}

func ms(count int64) time.Duration { return time.Duration(count) * time.Millisecond }

// A transport of memberlist's own mock network that can fall silent and lose packets, and counts what it sends.
type transport struct {
	*memberlist.MockTransport
	silent  atomic.Bool
	loss    float64
	bytes   *atomic.Int64
	packets chan *memberlist.Packet
}

func newTransport(inner *memberlist.MockTransport, loss float64, bytes *atomic.Int64) *transport {
	t := &transport{MockTransport: inner, loss: loss, bytes: bytes, packets: make(chan *memberlist.Packet, 1024)}
	go func() {
		for packet := range inner.PacketCh() {
			if t.silent.Load() || rand.Float64() < t.loss {
				continue
			}
			select {
			case t.packets <- packet:
			default:
			}
		}
	}()
	return t
}

func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *transport) WriteToAddress(b []byte, addr memberlist.Address) (time.Time, error) {
	if t.silent.Load() {
		return time.Now(), nil
	}
	t.bytes.Add(int64(len(b)))
	return t.MockTransport.WriteToAddress(b, addr)
}

func (t *transport) DialAddressTimeout(addr memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if t.silent.Load() || silentAt(addr.Addr) {
		return nil, fmt.Errorf("silent")
	}
	return t.MockTransport.DialAddressTimeout(addr, timeout)
}

var silentAddresses sync.Map

func silentAt(addr string) bool { _, found := silentAddresses.Load(addr); return found }

type listener struct {
	mu    *sync.Mutex
	left  map[string][]time.Time
	owner *atomic.Bool
}

func (l *listener) NotifyJoin(*memberlist.Node)   {}
func (l *listener) NotifyUpdate(*memberlist.Node) {}
func (l *listener) NotifyLeave(node *memberlist.Node) {
	if l.owner.Load() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left[node.Name] = append(l.left[node.Name], time.Now())
}

func detect(count int, loss float64, kills int) object {
	log.SetOutput(io.Discard)
	network := &memberlist.MockNetwork{}
	var bytes atomic.Int64
	var mu sync.Mutex
	left := map[string][]time.Time{}
	members := make([]*memberlist.Memberlist, count)
	transports := make([]*transport, count)
	for i := range members {
		name := fmt.Sprintf("n%d", i)
		transports[i] = newTransport(network.NewTransport(name), loss, &bytes)
		config := memberlist.DefaultLANConfig()
		config.Name = name
		config.Transport = transports[i]
		config.LogOutput = io.Discard
		config.Events = &listener{&mu, left, &transports[i].silent}
		member, err := memberlist.Create(config)
		if err != nil {
			panic(err)
		}
		members[i] = member
		if i > 0 {
			if _, err := member.Join([]string{"n0/" + first(transports[0])}); err != nil {
				panic(err)
			}
		}
	}
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		complete := true
		for _, member := range members {
			complete = complete && member.NumMembers() == count
		}
		if complete {
			break
		}
	}
	time.Sleep(10 * time.Second)
	mu.Lock()
	clear(left)
	mu.Unlock()
	before, since := bytes.Load(), time.Now()
	time.Sleep(20 * time.Second)
	rate := float64(bytes.Load()-before) / time.Since(since).Seconds() / float64(count)
	mu.Lock()
	falsePositives := len(left)
	mu.Unlock()

	firsts, lasts := []float64{}, []float64{}
	for kill := 1; kill <= kills; kill++ {
		victim := fmt.Sprintf("n%d", kill)
		mu.Lock()
		delete(left, victim)
		mu.Unlock()
		time.Sleep(time.Duration(rand.Intn(1000)) * time.Millisecond)
		at := time.Now()
		silentAddresses.Store(first(transports[kill]), true)
		transports[kill].silent.Store(true)
		for deadline := at.Add(90 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			known := len(left[victim])
			mu.Unlock()
			if known >= count-kill {
				break
			}
		}
		mu.Lock()
		times := left[victim]
		mu.Unlock()
		if len(times) < count-kill {
			continue
		}
		sort.Slice(times, func(i, j int) bool { return times[i].Before(times[j]) })
		firsts = append(firsts, float64(times[0].Sub(at).Milliseconds()))
		lasts = append(lasts, float64(times[len(times)-1].Sub(at).Milliseconds()))
	}
	sort.Float64s(firsts)
	sort.Float64s(lasts)
	return object{"nodes": count, "loss": loss, "kills": len(firsts), "bytesPerNodeSecond": int(rate),
		"falsePositivesIn20s": falsePositives, "firstMs": firsts, "everyoneMs": lasts}
}

func first(t *transport) string {
	ip, port, err := t.FinalAdvertiseAddr("", 0)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s:%d", ip, port)
}
