package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func runShim(t *testing.T, env []string, args ...string) (int, string) {
	t.Helper()
	cmd := exec.Command(cast, append([]string{"as-shim"}, args...)...)
	cmd.Env = env
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestACommandThatCannotRunIsNamedAtOnce(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, row := range map[string]struct{ command, says string }{
		"not in PATH":        {"no-such-program", "is in no folder of PATH (/nowhere)"},
		"no such file":       {"/no/such/program", "does not exist in this image"},
		"not executable":     {write("notes", "hello", 0o644), "is not an executable file"},
		"a folder":           {dir, "is not an executable file"},
		"interpreter absent": {write("script", "#!/no/such/interpreter -x\n", 0o755), `script for "/no/such/interpreter"`},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := runShim(t, []string{"PATH=/nowhere"}, "--socket", dir+"/s", "--", row.command)

			if code != exitNotFound || !strings.Contains(out, row.says) || strings.Count(out, "\n") != 1 {
				t.Fatalf("%d: %s", code, out)
			}
		})
	}
}

func TestWrongUsageIsSaidAndRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing":           {},
		"no command":        {"--socket", "/tmp/s"},
		"an empty command":  {"--", ""},
		"unknown option":    {"--nope", "--", "cat"},
		"no children":       {"--max-children", "0", "--", "cat"},
		"install nowhere":   {"install"},
		"drain what":        {"drain", "what"},
		"drain in no time":  {"drain", "--timeout", "0s"},
		"drain unknown":     {"drain", "--nope"},
		"install two":       {"install", "a", "b"},
		"install to no dir": {"install", ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := runShim(t, nil, args...)

			if code != exitUsage || !strings.Contains(out, "usage:") {
				t.Fatalf("%d: %s", code, out)
			}
		})
	}
}

func TestInstallCopiesItselfWholeAndExecutable(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "shim")
	for range 2 { // the second time over the first
		if code, out := runShim(t, nil, "install", dest); code != 0 {
			t.Fatalf("%d: %s", code, out)
		}
	}

	original, _ := os.ReadFile(cast)
	copied, err := os.ReadFile(dest)
	info, _ := os.Stat(dest)
	entries, _ := os.ReadDir(dir)

	if err != nil || !bytes.Equal(original, copied) || info.Mode().Perm() != 0o755 || len(entries) != 1 {
		t.Fatalf("%v, %v, %d files", err, info.Mode(), len(entries))
	}
}

func TestInstallSaysWhyItCannot(t *testing.T) {
	code, out := runShim(t, nil, "install", "/no/such/folder/shim")

	if code != 1 || !strings.Contains(out, "cannot install to /no/such/folder/shim") {
		t.Fatalf("%d: %s", code, out)
	}
}

func TestDrainWaitsUntilTheProxyHasDrained(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "drain.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ended := make(chan int, 1)
	go func() {
		code, _ := runShim(t, nil, "drain", "--socket", socket)
		ended <- code
	}()

	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
		t.Fatal("it did not wait")
	default:
	}
	_, _ = conn.Write([]byte("drained\n"))
	conn.Close()

	if code := <-ended; code != 0 {
		t.Fatalf("exit code %d", code)
	}
}

func TestDrainNeverFailsAHook(t *testing.T) {
	dir := t.TempDir()
	silent, err := net.Listen("unix", filepath.Join(dir, "silent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for name, row := range map[string]struct{ socket, says string }{
		"no proxy":                {filepath.Join(dir, "none.sock"), "no such file"},
		"a proxy that never ends": {filepath.Join(dir, "silent.sock"), "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out := runShim(t, nil, "drain", "--socket", row.socket, "--timeout", "100ms")

			if code != 0 || !strings.Contains(out, row.says) {
				t.Fatalf("%d: %s", code, out)
			}
		})
	}
}

func TestTheBuiltShimNeedsNoLibrary(t *testing.T) {
	shim := filepath.Join(t.TempDir(), "shim")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", shim, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	if interpreter := loader(t, shim); interpreter != "" {
		t.Fatalf("it wants %s", interpreter)
	}
}
