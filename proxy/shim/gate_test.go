package main

import (
	"debug/elf"
	"testing"
	"time"
)

// loader returns the dynamic loader that a program asks for.
func loader(t *testing.T, path string) string {
	t.Helper()
	file, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			text := make([]byte, segment.Filesz)
			_, _ = segment.ReadAt(text, 0)
			return string(text)
		}
	}
	return ""
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func mustEnter(t *testing.T, g *gate, now time.Time) *ticket {
	t.Helper()
	got, wait, _ := g.ask(now)
	if got == nil {
		t.Fatalf("held back for %s", wait)
	}
	return got
}

func TestAnOpenGateHoldsNobody(t *testing.T) {
	g := newGate()

	for range 10 {
		mustEnter(t, g, noon)
	}
}

func TestTheDelayDoublesToFiveSeconds(t *testing.T) {
	g := newGate()
	now := noon
	want := []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000}

	for _, milliseconds := range want {
		delay := mustEnter(t, g, now).crashed(now)

		if delay != milliseconds*time.Millisecond {
			t.Fatalf("%s instead of %d ms", delay, milliseconds)
		}
		if got, wait, _ := g.ask(now); got != nil || wait != delay {
			t.Fatalf("let in, or told to wait %s", wait)
		}
		now = now.Add(delay)
	}
}

func TestCrashesOfChildrenStartedTogetherCountOnce(t *testing.T) {
	g := newGate()
	first, second := mustEnter(t, g, noon), mustEnter(t, g, noon)

	first.crashed(noon)

	if delay := second.crashed(noon); delay != firstDelay {
		t.Fatalf("%s", delay)
	}
}

func TestAfterACrashOneChildIsTriedAtATime(t *testing.T) {
	g := newGate()
	mustEnter(t, g, noon).crashed(noon)
	later := noon.Add(time.Second)
	trial := mustEnter(t, g, later)
	got, _, changed := g.ask(later)
	if got != nil {
		t.Fatal("two at a time")
	}

	trial.lived()

	<-changed
	mustEnter(t, g, later)
	mustEnter(t, g, later)
}

func TestATrialThatDecidesNothingLeavesItToTheNext(t *testing.T) {
	g := newGate()
	mustEnter(t, g, noon).crashed(noon)
	later := noon.Add(time.Second)

	mustEnter(t, g, later).undecided()

	mustEnter(t, g, later)
	if got, _, _ := g.ask(later); got != nil {
		t.Fatal("the gate opened")
	}
}

func TestWhoGivesUpWaitingIsLetGo(t *testing.T) {
	g := newGate()
	mustEnter(t, g, noon).crashed(time.Now().Add(time.Hour))
	closed := make(chan struct{})
	close(closed)

	if g.enter(closed, nil) != nil || g.enter(nil, closed) != nil {
		t.Fatal("let in")
	}
}
