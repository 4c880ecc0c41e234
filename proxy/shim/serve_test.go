package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestArgumentsReachTheChildUnchanged(t *testing.T) {
	// Row 19 of the threat table: no shell anywhere.
	hostile := []string{"; rm -rf /", "$(id)", "`id`", "a\nb", "", "*", "--socket", "é", "$HOME", "'\""}
	c := startShim(t, playing("argv", hostile...)...).dial()

	text, exit := c.outcome()

	var got []string
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, hostile) || exit != (outcome{}) {
		t.Fatalf("got %q and %+v", got, exit)
	}
}

func TestEachConnectionHasAChildOfItsOwn(t *testing.T) {
	s := startShim(t, playing("echo")...)
	var all sync.WaitGroup
	for i := range 50 {
		c := s.dial()
		all.Add(1)
		go func() {
			defer all.Done()
			for j := range 20 {
				want := fmt.Sprintf("client %d line %d", i, j)
				c.send(want + "\n")
				if got := c.line(); got != want {
					t.Errorf("got %q instead of %q", got, want)
				}
			}
			_ = c.CloseWrite()
			if rest, exit := c.outcome(); rest != "" || exit != (outcome{}) {
				t.Errorf("ended with %q and %+v", rest, exit)
			}
		}()
	}
	all.Wait()
}

func TestLinesOfAMebibytePassBothWays(t *testing.T) {
	c := startShim(t, playing("echo")...).dial()
	line := strings.Repeat("y", 1<<20)

	for range 5 {
		go c.send(line + "\n")
		if got := c.line(); got != line {
			t.Fatalf("%d bytes came back", len(got))
		}
	}
}

func TestNothingOfALargeLastAnswerIsLost(t *testing.T) {
	c := startShim(t, playing("flood")...).dial()

	text, exit := c.outcome()

	if len(text) != 8<<20 || exit != (outcome{}) {
		t.Fatalf("%d bytes and %+v", len(text), exit)
	}
}

func TestAHalfClosedConnectionStillGetsItsAnswer(t *testing.T) {
	c := startShim(t, playing("summary")...).dial()
	c.send("four")

	_ = c.CloseWrite()

	if text, exit := c.outcome(); text != "4\n" || exit != (outcome{}) {
		t.Fatalf("got %q and %+v", text, exit)
	}
}

func TestTheTrailerTellsHowTheChildEnded(t *testing.T) {
	for name, row := range map[string]struct {
		command []string
		text    string
		exit    outcome
	}{
		"a code": {playing("exit", "7"), "last words without an end of line\n", outcome{Code: 7}},
		"a kill": {playing("abort"), "", outcome{Code: -1, Signal: "SIGKILL"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, exit := startShim(t, row.command...).dial().outcome()

			if text != row.text || exit != row.exit {
				t.Fatalf("got %q and %+v", text, exit)
			}
		})
	}
}

func TestAnExecThatFailsIsASentenceInTheTrailer(t *testing.T) {
	for name, row := range map[string]struct{ text, says string }{
		"no program":       {"\x00", "not a program for this machine"},
		"no loader for it": {withoutLoader(t), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/program"
			if err := os.WriteFile(file, []byte(row.text), 0o755); err != nil {
				t.Fatal(err)
			}

			_, exit := startShim(t, "--", file).dial().outcome()

			if exit.Code != -1 || !strings.Contains(exit.Error, row.says) {
				t.Fatalf("got %+v", exit)
			}
		})
	}
}

// withoutLoader is a program that asks for a loader which is not there, as one built for another C
// library does.
func withoutLoader(t *testing.T) string {
	t.Helper()
	path := "/bin/cat"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := loader(t, path)
	return strings.Replace(string(text), found, "/no"+found[3:], 1)
}

func TestAChildWhoseClientVanishesIsEnded(t *testing.T) {
	for _, kind := range []string{"deaf", "stubborn"} {
		t.Run(kind, func(t *testing.T) {
			c := startShim(t, append([]string{"--kill-after", "50ms"}, playing(kind)...)...).dial()
			pid := c.pid()

			c.Close()

			eventually(t, "the child is gone", func() bool { return gone(pid) })
		})
	}
}

func TestAChildThatDoesNotReadIsEndedToo(t *testing.T) {
	// The bytes that it does not read fill the pipe: the end of the connection lies behind them.
	c := startShim(t, append([]string{"--kill-after", "50ms"}, playing("deaf")...)...).dial()
	pid := c.pid()
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		for {
			if _, err := c.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}()
	eventually(t, "the pipe is full", func() bool { return len(pending(t, pid)) > 0 })

	c.Close()

	<-stuck
	eventually(t, "the child is gone", func() bool { return gone(pid) })
}

// pending tells whether bytes wait in the process's stdin.
func pending(t *testing.T, pid int) string {
	t.Helper()
	file, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/0", pid), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	one := make([]byte, 1)
	n, _ := file.Read(one)
	return string(one[:n])
}

func TestAStubbornChildIsToldThenKilled(t *testing.T) {
	c := startShim(t, append([]string{"--kill-after", "50ms"}, playing("stubborn")...)...).dial()
	pid := c.pid()

	_ = c.CloseWrite()

	if _, exit := c.outcome(); exit != (outcome{Code: -1, Signal: "SIGKILL"}) {
		t.Fatalf("got %+v", exit)
	}
	if !gone(pid) {
		t.Fatal("the trailer came before the end")
	}
}

func TestWhatADeadChildLeftBehindIsEnded(t *testing.T) {
	for name, kind := range map[string]string{
		"a grandchild that holds stdout":         "parent",
		"a grandchild in a session of its own":   "browser",
		"a grandchild of a child that is killed": "browser",
	} {
		t.Run(name, func(t *testing.T) {
			s := startShim(t, append([]string{"--kill-after", "50ms"}, playing(kind)...)...)
			c := s.dial()
			grandchild := c.pid()

			if strings.Contains(name, "killed") {
				c.Close()
			} else {
				c.send("die\n")
				if _, exit := c.outcome(); exit != (outcome{}) {
					t.Fatalf("got %+v", exit)
				}
			}

			eventually(t, "the grandchild is gone, and reaped", func() bool { return gone(grandchild) })
		})
	}
}

func TestBeyondTheCapAConnectionIsRefused(t *testing.T) {
	s := startShim(t, append([]string{"--max-children", "2"}, playing("echo")...)...)
	first, second := s.dial(), s.dial()
	for _, c := range []*client{first, second} {
		c.send("hello\n")
		c.line()
	}

	_, exit := s.dial().outcome()

	if exit != (outcome{Code: -1, Error: "too many children"}) {
		t.Fatalf("got %+v", exit)
	}
	_ = first.CloseWrite()
	first.outcome()
	eventually(t, "a place is free again", func() bool {
		c := s.dial()
		_, _ = c.Write([]byte("hello\n"))
		line, _ := c.lines.ReadString('\n')
		return line == "hello\n"
	})
}

func TestCrashesAtStartSlowTheNextStarts(t *testing.T) {
	s := startShim(t, "--", "/bin/false")

	for range 4 {
		s.dial().outcome()
	}

	// The child's end is told on the connection and in the log: neither waits for the other.
	for _, delay := range []string{"100ms", "200ms", "400ms", "800ms"} {
		eventually(t, delay+" is there once", func() bool {
			return strings.Count(s.log.String(), "next start in "+delay+" ") == 1
		})
	}
}

func TestSIGTERMEndsEverything(t *testing.T) {
	s := startShim(t, append([]string{"--kill-after", "50ms"}, playing("stubborn")...)...)
	var pids []int
	for range 5 {
		pids = append(pids, s.dial().pid())
	}

	_ = s.cmd.Process.Signal(syscall.SIGTERM)

	if code := s.exitCode(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, pid := range pids {
		if !gone(pid) {
			t.Fatalf("%d lives", pid)
		}
	}
	if _, err := os.Lstat(s.socket); !os.IsNotExist(err) {
		t.Fatalf("the socket is still there: %v", err)
	}
}

func TestAKilledShimTakesItsChildrenAlong(t *testing.T) {
	s := startShim(t, playing("stubborn")...)
	pid := s.dial().pid()

	_ = s.cmd.Process.Kill()

	s.exitCode()
	eventually(t, "the child is gone", func() bool { return gone(pid) || zombie(pid) })
}

// zombie: dead, but its new parent (process 1 of wherever the tests run) does not reap.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

func TestAChildStartsWithOrdinaryStdioAndAGroupOfItsOwn(t *testing.T) {
	text, _ := startShim(t, playing("state")...).dial().outcome()

	if text != "true true 7 true\n" {
		t.Fatalf("blocking stdin, blocking stdout, umask, leads its group: %s", text)
	}
}

func TestAStaleSocketIsReplacedAndOpenToTheGroupAlone(t *testing.T) {
	s := startShim(t, playing("echo")...)
	s.dial()
	_ = s.cmd.Process.Kill()
	s.exitCode()
	if _, err := os.Lstat(s.socket); err != nil {
		t.Fatal("nothing stale is there: ", err)
	}

	again := exec.Command(cast, append([]string{"as-shim", "--socket", s.socket}, playing("echo")...)...)
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Process.Kill(); _ = again.Wait() }()

	c := s.dial()
	c.send("hello\n")
	if c.line() != "hello" {
		t.Fatal("no echo")
	}
	fresh, err := os.Lstat(s.socket)
	if err != nil || fresh.Mode().Perm() != 0o660 {
		t.Fatalf("%v, %v", fresh.Mode(), err)
	}
}

func TestAFileInTheSocketsPlaceIsLeftAlone(t *testing.T) {
	file := t.TempDir() + "/precious"
	if err := os.WriteFile(file, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}

	out, err := exec.Command(cast, "as-shim", "--socket", file, "--", "/bin/true").CombinedOutput()

	if err == nil || !strings.Contains(string(out), "not a socket") {
		t.Fatalf("%v: %s", err, out)
	}
	if kept, _ := os.ReadFile(file); string(kept) != "data" {
		t.Fatal("it is gone")
	}
}

func TestItRunsAsAnyUserWithoutAHome(t *testing.T) {
	s := startShimWith(t, func(cmd *exec.Cmd) {
		cmd.Env = []string{}
		cmd.Dir = "/"
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		}
	}, playing("echo")...)
	c := s.dial()

	c.send("hello\n")

	if c.line() != "hello" {
		t.Fatal("no echo")
	}
}
