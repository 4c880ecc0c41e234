package main

import (
	"sync"
	"time"
)

const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 5 * time.Second
	// A child that fails within this time has crashed at its start.
	proven = time.Second
)

// gate holds back starts after a crash: no start before the delay is over, and then one at a time
// (a trial) until a child has lived long enough to prove that starting works again.
type gate struct {
	mu      sync.Mutex
	delay   time.Duration // 0: open
	opens   time.Time
	trial   bool
	changed chan struct{} // closed and replaced at every change
}

// ticket is the permission to start one child; whoever holds it says how it went, once.
type ticket struct {
	gate    *gate
	trial   bool
	started time.Time
}

func newGate() *gate { return &gate{changed: make(chan struct{})} }

// enter waits for permission, or returns nil when one of the channels closes first.
func (g *gate) enter(gone, stopping <-chan struct{}) *ticket {
	for {
		got, wait, changed := g.ask(time.Now())
		if got != nil {
			return got
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-gone:
			return nil
		case <-stopping:
			return nil
		}
		timer.Stop()
	}
}

// ask returns a ticket, or how long to wait at most before asking again.
func (g *gate) ask(now time.Time) (*ticket, time.Duration, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.delay == 0:
		return &ticket{gate: g, started: now}, 0, nil
	case g.trial:
		return nil, lastDelay, g.changed
	case now.Before(g.opens):
		return nil, g.opens.Sub(now), g.changed
	}
	g.trial = true
	return &ticket{gate: g, trial: true, started: now}, 0, nil
}

// lived: the child ran long enough; the gate opens.
func (t *ticket) lived() { t.settle(func() { t.gate.delay = 0 }) }

// undecided: the child ended early, but not by a crash of its own.
func (t *ticket) undecided() { t.settle(func() {}) }

// crashed: the delay doubles, once for all that were started together.
func (t *ticket) crashed(now time.Time) (delay time.Duration) {
	t.settle(func() {
		g := t.gate
		if g.delay == 0 || !t.started.Before(g.opens) {
			g.delay = min(max(2*g.delay, firstDelay), lastDelay)
			g.opens = now.Add(g.delay)
		}
		delay = g.delay
	})
	return delay
}

func (t *ticket) settle(change func()) {
	g := t.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.trial {
		g.trial = false
	}
	change()
	close(g.changed)
	g.changed = make(chan struct{})
}
