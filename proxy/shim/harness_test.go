package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Every wait of these tests ends here at the latest; none asserts a time.
const patience = 30 * time.Second

type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

type shim struct {
	t      *testing.T
	socket string
	log    *log
	cmd    *exec.Cmd
	code   chan int
}

// startShim runs the shim in a process of its own, with options before and the command after "--".
func startShim(t *testing.T, args ...string) *shim {
	t.Helper()
	return startShimWith(t, func(*exec.Cmd) {}, args...)
}

func startShimWith(t *testing.T, adjust func(*exec.Cmd), args ...string) *shim {
	t.Helper()
	dir, err := os.MkdirTemp("", "shim-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	s := &shim{t: t, socket: filepath.Join(dir, "stdio.sock"), log: &log{}, code: make(chan int, 1)}
	s.cmd = exec.Command(cast, append([]string{"as-shim", "--socket", s.socket}, args...)...)
	s.cmd.Stderr = s.log
	adjust(s.cmd)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		s.code <- s.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("the shim said:\n%s", s.log)
		}
	})
	return s
}

// cast is where the test binary lies for every user to run, as root's tests run it as another one.
var cast string

func withCast(tests func() int) int {
	dir, err := os.MkdirTemp("", "shim-test-program-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	cast = filepath.Join(dir, "shim.test")
	if err := errors.Join(os.Chmod(dir, 0o755), install(cast)); err != nil {
		panic(err)
	}
	return tests()
}

func playing(kind string, args ...string) []string {
	return append([]string{"--", cast, "as-child", kind}, args...)
}

func (s *shim) dial() *client {
	s.t.Helper()
	var conn *net.UnixConn
	eventually(s.t, "the shim listens", func() bool {
		var err error
		conn, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: s.socket, Net: "unix"})
		return err == nil
	})
	s.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{t: s.t, UnixConn: conn, lines: bufio.NewReader(conn)}
}

func (s *shim) exitCode() int {
	s.t.Helper()
	select {
	case code := <-s.code:
		return code
	case <-time.After(patience):
		s.t.Fatal("the shim did not exit")
		return 0
	}
}

type client struct {
	t *testing.T
	*net.UnixConn
	lines *bufio.Reader
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.UnixConn, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) line() string {
	c.t.Helper()
	text, err := c.lines.ReadString('\n')
	if err != nil {
		c.t.Fatalf("no line but %q: %s", text, err)
	}
	return strings.TrimSuffix(text, "\n")
}

func (c *client) pid() int {
	c.t.Helper()
	pid, err := strconv.Atoi(c.line())
	if err != nil {
		c.t.Fatal(err)
	}
	return pid
}

// outcome reads to the end: what the child wrote, and the trailer.
func (c *client) outcome() (string, outcome) {
	c.t.Helper()
	all, err := io.ReadAll(c.lines)
	if err != nil {
		c.t.Fatal(err)
	}
	text := strings.TrimSuffix(string(all), "\n")
	at := strings.LastIndexByte(text, '\n') + 1
	var got trailer
	decoder := json.NewDecoder(strings.NewReader(text[at:]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		c.t.Fatalf("the last line is no trailer: %q", text[at:])
	}
	return text[:at], got.Exit
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }
