package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// sessionMark is the environment variable by which a child's descendants are known even after they
// moved to a process group of their own, as browsers do.
const sessionMark = "OSTIARY_SHIM_SESSION="

// Of prctl(2); the syscall package has no name for it.
const prSetChildSubreaper = 36

// child is one running command.
type child struct {
	pid    int // and its process group
	mark   string
	stdin  *os.File
	stdout *os.File
	exited chan syscall.WaitStatus // gets one value
}

// children forks, and waits for every process that becomes ours.
//
// The shim is process 1 of its container, so orphans of any depth end up here and have to be reaped.
// A wait for "any process" would steal the exit codes of children that somebody else waits for; so
// there is one wait for all, and it hands a child's status over by its pid.  The lock is held across
// fork and entry in the table, and across wait and removal: no child can be reaped before it is
// known, and no signal can go to a pid that was given away.
type children struct {
	program string
	argv    []string
	prefix  string
	starts  chan startRequest

	mu      sync.Mutex
	started int
	running map[int]*child
}

type startRequest struct{ reply chan startReply }

type startReply struct {
	child *child
	err   error
}

func newChildren(program string, argv []string) *children {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		panic(err) // getrandom(2) never fails on a kernel that can run this
	}
	return &children{
		program: program,
		argv:    argv,
		prefix:  sessionMark + hex.EncodeToString(random[:]),
		starts:  make(chan startRequest),
		running: map[int]*child{},
	}
}

// start asks the main thread for a new child.
func (c *children) start() (*child, error) {
	request := startRequest{reply: make(chan startReply, 1)}
	c.starts <- request
	reply := <-request.reply
	return reply.child, reply.err
}

// forkUntil serves start requests on the calling thread until done is closed.
func (c *children) forkUntil(done <-chan struct{}) {
	for {
		select {
		case request := <-c.starts:
			child, err := c.fork()
			request.reply <- startReply{child, err}
		case <-done:
			return
		}
	}
}

func (c *children) fork() (*child, error) {
	stdinRead, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdinRead.Close()
	stdout, stdoutWrite, err := os.Pipe()
	if err != nil {
		stdin.Close()
		return nil, err
	}
	defer stdoutWrite.Close()

	c.mu.Lock()
	defer c.mu.Unlock()
	c.started++
	mark := fmt.Sprintf("%s-%d", c.prefix, c.started)
	pid, err := syscall.ForkExec(c.program, c.argv, &syscall.ProcAttr{
		Env: append(os.Environ(), mark),
		// Fd makes the child's ends block again, as every program expects of its stdin and stdout.
		Files: []uintptr{stdinRead.Fd(), stdoutWrite.Fd(), os.Stderr.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		stdin.Close()
		stdout.Close()
		return nil, err
	}
	made := &child{
		pid:    pid,
		mark:   mark,
		stdin:  stdin,
		stdout: stdout,
		exited: make(chan syscall.WaitStatus, 1),
	}
	c.running[pid] = made
	return made, nil
}

// reap waits for children and orphans for as long as the process lives.
func (c *children) reap() {
	// Process 1 gets orphans anyhow; elsewhere (a shared process namespace, a test) it must ask.
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0, 0, 0, 0)
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		for range died {
			c.collect()
		}
	}()
}

func (c *children) collect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if ours, ok := c.running[pid]; ok {
			delete(c.running, pid)
			ours.exited <- status
		}
	}
}

// signalGroup signals a child that was not yet reaped, and all of its process group.
func (c *children) signalGroup(target *child, signal syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[target.pid] == target {
		_ = syscall.Kill(-target.pid, signal)
	}
}

// killAll is for the end of the program alone.
func (c *children) killAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for pid := range c.running {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
}

// leads tells whether pid is a running child of ours, so that a group number that came back with a
// new child is not taken for the old one's.
func (c *children) leads(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.running[pid]
	return ok
}
