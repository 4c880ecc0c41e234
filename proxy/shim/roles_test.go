package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// The test binary is its own cast: run with "as-shim" it is the shim, with "as-child KIND" one of
// the programs that a shim may have to start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "as-shim" {
		os.Exit(run(os.Args[2:]))
	}
	if len(os.Args) > 2 && os.Args[1] == "as-child" {
		roles[os.Args[2]](os.Args[3:])
		os.Exit(0)
	}
	os.Exit(withCast(m.Run))
}

var roles = map[string]func(args []string){
	"echo": func([]string) { _, _ = io.Copy(os.Stdout, os.Stdin) },
	"argv": func(args []string) { _ = json.NewEncoder(os.Stdout).Encode(args) },
	"exit": func(args []string) {
		code, _ := strconv.Atoi(args[0])
		fmt.Fprint(os.Stdout, "last words without an end of line")
		os.Exit(code)
	},
	"abort": func([]string) { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); forever() },
	// Says its pid and echoes; at the end of its input it goes on for ever, and ignores SIGTERM.
	"stubborn": func([]string) {
		signal.Ignore(syscall.SIGTERM)
		fmt.Println(os.Getpid())
		forever()
	},
	// Never reads, and dies of SIGTERM.
	"deaf": func([]string) { fmt.Println(os.Getpid()); forever() },
	// Answers only when its input is over.
	"summary": func([]string) {
		n, _ := io.Copy(io.Discard, os.Stdin)
		fmt.Println(n)
	},
	// Leaves a grandchild that holds its stdout, and dies.
	"parent": func([]string) { leave(&syscall.SysProcAttr{}, os.Stdout) },
	// The same with a grandchild in a session of its own, as a browser.
	"browser": func([]string) { leave(&syscall.SysProcAttr{Setsid: true}, nil) },
	"state": func([]string) {
		umask := syscall.Umask(0)
		fmt.Printf("%v %v %o %v\n", blocks(0), blocks(1), umask, syscall.Getpgrp() == os.Getpid())
	},
	"flood": func([]string) {
		line := make([]byte, 1<<20)
		for i := range line {
			line[i] = 'x'
		}
		line[len(line)-1] = '\n'
		for range 8 {
			_, _ = os.Stdout.Write(line)
		}
	},
	"hang": func([]string) { forever() },
}

func forever() {
	for {
		time.Sleep(time.Hour)
	}
}

func blocks(fd uintptr) bool {
	flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0)
	return flags&syscall.O_NONBLOCK == 0
}

func leave(how *syscall.SysProcAttr, stdout *os.File) {
	grandchild := exec.Command(os.Args[0], "as-child", "hang")
	grandchild.SysProcAttr = how
	if stdout != nil {
		grandchild.Stdout = stdout
	}
	if err := grandchild.Start(); err != nil {
		panic(err)
	}
	fmt.Println(grandchild.Process.Pid)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}
