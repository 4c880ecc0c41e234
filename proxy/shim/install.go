package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func runInstall(args []string) int {
	if len(args) != 1 || args[0] == "" {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	if err := install(args[0]); err != nil {
		say("cannot install to %s: %s", args[0], err)
		return 1
	}
	return 0
}

// install copies this program to dest, whole or not at all: a container that starts meanwhile never
// executes half a file.
func install(dest string) error {
	source, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer source.Close()
	copied, err := os.CreateTemp(filepath.Dir(dest), ".shim-")
	if err != nil {
		return err
	}
	defer os.Remove(copied.Name())
	if _, err := io.Copy(copied, source); err != nil {
		copied.Close()
		return err
	}
	if err := copied.Chmod(0o755); err != nil {
		copied.Close()
		return err
	}
	if err := copied.Close(); err != nil {
		return err
	}
	return os.Rename(copied.Name(), dest)
}
