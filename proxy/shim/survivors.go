package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const sweepEvery = 20 * time.Millisecond

// sweep ends what a dead child left behind: members of its process group, whatever carries its mark
// in the environment, and their descendants.  They get SIGTERM and a grace, unless none is left.
func (c *children) sweep(dead *child, grace time.Duration) {
	left := c.survivors(dead)
	if len(left) == 0 {
		return
	}
	signalEach(left, syscall.SIGTERM)
	for deadline := time.Now().Add(grace); time.Now().Before(deadline); {
		time.Sleep(sweepEvery)
		if left = c.survivors(dead); len(left) == 0 {
			return
		}
	}
	// Twice: what forked while we looked is caught by the second look.
	for range 2 {
		signalEach(c.survivors(dead), syscall.SIGKILL)
	}
}

func signalEach(pids []int, signal syscall.Signal) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, signal)
	}
}

type process struct{ pid, parent, group int }

// survivors reads /proc.  Zombies are no survivors: they wait for their parent, or for us.
func (c *children) survivors(dead *child) []int {
	var all []process
	found := map[int]bool{}
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		seen, ok := look(folder)
		if !ok || seen.pid == os.Getpid() {
			continue
		}
		all = append(all, seen)
		if seen.group == dead.pid && !c.leads(dead.pid) || carries(folder, dead.mark) {
			found[seen.pid] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, seen := range all {
			if found[seen.parent] && !found[seen.pid] {
				found[seen.pid], grown = true, true
			}
		}
	}
	pids := make([]int, 0, len(found))
	for pid := range found {
		pids = append(pids, pid)
	}
	return pids
}

// look parses /proc/PID/stat: "PID (any name, even with spaces) STATE PARENT GROUP ...".
func look(folder string) (process, bool) {
	text, err := os.ReadFile(folder + "/stat")
	if err != nil {
		return process{}, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 3 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, false
	}
	pid, _ := strconv.Atoi(filepath.Base(folder))
	parent, _ := strconv.Atoi(fields[1])
	group, _ := strconv.Atoi(fields[2])
	return process{pid: pid, parent: parent, group: group}, true
}

func carries(folder, mark string) bool {
	text, err := os.ReadFile(folder + "/environ")
	if err != nil {
		return false
	}
	for _, entry := range bytes.Split(text, []byte{0}) {
		if string(entry) == mark {
			return true
		}
	}
	return false
}
