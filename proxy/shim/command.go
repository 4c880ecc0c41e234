package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// lookUp finds the program once, at start, so that a wrong `command` is seen on the pod and not at
// the first call.  The error is a sentence for the owner of the manifest.
func lookUp(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil, errors.Is(err, exec.ErrDot):
		return path, checkInterpreter(path)
	case strings.Contains(name, "/") && errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("the command %q does not exist in this image", name)
	case strings.Contains(name, "/"):
		return "", fmt.Errorf("the command %q is not an executable file", name)
	}
	return "", fmt.Errorf("the command %q is in no folder of PATH (%s) in this image", name, os.Getenv("PATH"))
}

// checkInterpreter looks at a script's first line: the kernel says "no such file" of the script when
// it means the interpreter.
func checkInterpreter(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return nil // executable but not readable: the kernel decides
	}
	defer file.Close()
	line, _ := bufio.NewReaderSize(file, 256).ReadSlice('\n')
	words := strings.Fields(strings.TrimPrefix(string(line), "#!"))
	if !strings.HasPrefix(string(line), "#!") || len(words) == 0 {
		return nil
	}
	if _, err := os.Stat(words[0]); err != nil {
		return fmt.Errorf("the command %q is a script for %q, which this image does not have", path, words[0])
	}
	return nil
}

// explain turns a failed exec into the end of the sentence "it could not be started: ...".  The proxy
// takes "no such file" for a command that is not there.
func explain(program string, err error) string {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Sprintf("%s: no such file: it, its interpreter or its loader is missing (built for another C library?)", program)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("%s: not a program for this machine (another architecture, or a script without #!)", program)
	}
	return fmt.Sprintf("%s: %s", program, err)
}
