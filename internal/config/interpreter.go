package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// shebangMax is how much of a script Linux reads to find its interpreter.
const shebangMax = 256

// CheckInterpreter says of a script that was given as command, and found at path,
// that its first line names an interpreter that is not there, or names by
// /usr/bin/env a program that is not on the PATH of environ, the workers'. It is
// silent wherever that cannot be told for certain: a start is what finds out.
// Its error is a [*CommandError].
func CheckInterpreter(command, path string, environ []string) error {
	interpreter, argument := shebang(path)
	var why string
	switch {
	case !filepath.IsAbs(interpreter): // none, or one that the workers' directory decides on
		return nil
	case absent(interpreter):
		why = fmt.Sprintf("its first line names the interpreter %q, which does not exist", interpreter)
		if strings.HasSuffix(interpreter, "\r") {
			why += "; the line ends with CR LF, make that LF"
		}
	case filepath.Base(interpreter) == "env" && absentOnPath(argument, environ):
		why = fmt.Sprintf("its first line names the interpreter %s %q, and no %[2]q is on the workers' PATH", interpreter, argument)
	default:
		return nil
	}
	return &CommandError{Command: command, cause: fs.ErrNotExist, text: fmt.Sprintf("worker command %q cannot be executed: %s: %s", command, path, why)}
}

// shebang gives what the first line of a script names, as Linux reads it: all
// behind the interpreter is one argument. Both are "" for what is no script and
// for what cannot be read.
func shebang(path string) (interpreter, argument string) {
	f, err := os.Open(path)
	if err != nil {
		return "", "" // execute-only: it may run all the same
	}
	defer f.Close()
	head := make([]byte, shebangMax)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", ""
	}
	line, ok := bytes.CutPrefix(head[:n], []byte("#!"))
	if !ok {
		return "", ""
	}
	end := bytes.IndexAny(line, "\n\x00")
	if end < 0 && n == shebangMax {
		return "", "" // a line that goes on: the kernel may refuse it, or cut the argument
	}
	if end >= 0 {
		line = line[:end]
	}
	interpreter = strings.Trim(string(line), " \t")
	if i := strings.IndexAny(interpreter, " \t"); i >= 0 {
		interpreter, argument = interpreter[:i], strings.TrimLeft(interpreter[i:], " \t")
	}
	return interpreter, argument
}

// absent says for certain that there is no such file.
func absent(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// absentOnPath says for certain that env would not find what it is asked to run.
// Its options and assignments are its own matter.
func absentOnPath(name string, environ []string) bool {
	if name == "" || strings.HasPrefix(name, "-") || strings.ContainsAny(name, "=/") {
		return false
	}
	i := slices.IndexFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, "PATH=") })
	if i < 0 || environ[i] == "PATH=" { // env has a default then
		return false
	}
	for _, dir := range filepath.SplitList(strings.TrimPrefix(environ[i], "PATH=")) {
		if !filepath.IsAbs(dir) || !absent(filepath.Join(dir, name)) {
			return false
		}
	}
	return true
}
