package main

import (
	"encoding/json"
	"syscall"
)

// trailer is the one line that the shim itself writes, after a child's last byte.
type trailer struct {
	Exit outcome `json:"ostiary.dev/exit"`
}

// outcome says how a child ended: an exit code, or -1 with the signal that ended it, or -1 with the
// reason why it never ran.
type outcome struct {
	Code   int    `json:"code"`
	Signal string `json:"signal"`
	Error  string `json:"error"`
}

func refused(reason string) outcome { return outcome{Code: -1, Error: reason} }

func ended(status syscall.WaitStatus) outcome {
	if status.Signaled() {
		return outcome{Code: -1, Signal: signalName(status.Signal())}
	}
	return outcome{Code: status.ExitStatus()}
}

func (o outcome) line() []byte {
	text, err := json.Marshal(trailer{Exit: o})
	if err != nil {
		panic(err) // two strings and a number always have a JSON form
	}
	return append(text, '\n')
}

var signalNames = map[syscall.Signal]string{
	syscall.SIGABRT: "SIGABRT",
	syscall.SIGALRM: "SIGALRM",
	syscall.SIGBUS:  "SIGBUS",
	syscall.SIGFPE:  "SIGFPE",
	syscall.SIGHUP:  "SIGHUP",
	syscall.SIGILL:  "SIGILL",
	syscall.SIGINT:  "SIGINT",
	syscall.SIGKILL: "SIGKILL",
	syscall.SIGPIPE: "SIGPIPE",
	syscall.SIGQUIT: "SIGQUIT",
	syscall.SIGSEGV: "SIGSEGV",
	syscall.SIGSYS:  "SIGSYS",
	syscall.SIGTERM: "SIGTERM",
	syscall.SIGTRAP: "SIGTRAP",
	syscall.SIGXCPU: "SIGXCPU",
	syscall.SIGXFSZ: "SIGXFSZ",
}

func signalName(signal syscall.Signal) string {
	if name, ok := signalNames[signal]; ok {
		return name
	}
	return signal.String()
}
