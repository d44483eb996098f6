package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

const (
	maxEnvFile = 1 << 20
	// maxEnvVar is what the kernel takes as one string at exec, with its final zero.
	maxEnvVar = 128<<10 - 1
)

// EnvFile is what an env file held, in the order of its lines, each key once.
type EnvFile struct {
	Path string // absolute; "" when there is no env file
	Vars []EnvVar

	remarks []string
}

// EnvVar is one line of an env file. Its value may be a secret: printing an
// EnvVar shows the key only.
type EnvVar struct {
	Key   string
	Value string
	Line  int // from 1
}

// String gives the key and hides the value.
func (v EnvVar) String() string { return v.Key + "=(hidden)" }

// GoString hides the value from %#v.
func (v EnvVar) GoString() string { return v.String() }

func (f EnvFile) layer() layer {
	l := layer{source: FromEnvFile, values: make(map[string]string, len(f.Vars)), origin: f.origin}
	for _, v := range f.Vars {
		l.values[v.Key] = v.Value
		l.order = append(l.order, v.Key)
	}
	return l
}

func (f EnvFile) origin(name string) Origin {
	o := Origin{Source: FromEnvFile, Name: name, File: f.Path}
	for _, v := range f.Vars {
		if v.Key == name {
			o.Line = v.Line
		}
	}
	return o
}

// readEnvFile reads the file at path, which is absolute. An error names the file and the line, and
// never repeats what stands there.
func readEnvFile(path string) (EnvFile, error) {
	// Without O_NONBLOCK, opening a pipe would wait for its writer for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return EnvFile{}, fmt.Errorf("read env file %s: %w", path, cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return EnvFile{}, fmt.Errorf("read env file %s: %w", path, cause(err))
	case info.IsDir():
		return EnvFile{}, fmt.Errorf("read env file %s: it is a directory", path)
	case !info.Mode().IsRegular():
		return EnvFile{}, fmt.Errorf("read env file %s: it is not a regular file, and it is read again at each reload", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxEnvFile+1))
	if err != nil {
		return EnvFile{}, fmt.Errorf("read env file %s: %w", path, cause(err))
	}
	if len(data) > maxEnvFile {
		return EnvFile{}, fmt.Errorf("read env file %s: it is larger than 1 MiB", path)
	}
	file, err := parseEnvFile(path, data)
	if err != nil {
		return EnvFile{}, err
	}
	return file, nil
}

// cause takes away what os puts before an error: the caller names the file.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

func parseEnvFile(path string, data []byte) (EnvFile, error) {
	file := EnvFile{Path: path}
	at := make(map[string]int) // index of a key in Vars
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	number := 0
	for text := range strings.Lines(string(data)) {
		number++
		v, remark, err := parseEnvLine(strings.TrimRight(text, "\r\n"))
		if err != nil {
			return EnvFile{}, fmt.Errorf("env file %s line %d: %w", path, number, err)
		}
		if v.Key == "" {
			continue
		}
		if v.Key == prefix+"_ENV_FILE" {
			return EnvFile{}, fmt.Errorf("env file %s line %d: %s cannot be set in an env file", path, number, v.Key)
		}
		v.Line = number
		if remark != "" {
			file.remarks = append(file.remarks, fmt.Sprintf("env file %s line %d: %s", path, number, remark))
		}
		if i, again := at[v.Key]; again {
			file.remarks = append(file.remarks, fmt.Sprintf("env file %s line %d: %s was set in line %d already; the later line counts", path, number, v.Key, file.Vars[i].Line))
			file.Vars[i] = v
			continue
		}
		at[v.Key] = len(file.Vars)
		file.Vars = append(file.Vars, v)
	}
	return file, nil
}

// parseEnvLine reads one line; the key of a blank line or comment is "".
func parseEnvLine(line string) (v EnvVar, remark string, err error) {
	line = strings.TrimLeft(line, " \t")
	if rest, ok := strings.CutPrefix(line, "export"); ok && strings.TrimLeft(rest, " \t") != rest {
		line = strings.TrimLeft(rest, " \t")
	}
	if strings.TrimSpace(line) == "" || line[0] == '#' {
		return EnvVar{}, "", nil
	}
	key, text, ok := strings.Cut(line, "=")
	if !ok {
		return EnvVar{}, "", errors.New("there is no = in it; want KEY=VALUE")
	}
	key = strings.TrimRight(key, " \t")
	if !isKey(key) {
		return EnvVar{}, "", errors.New("what stands before = is not a name; want letters, digits and _ and no digit first")
	}
	text = strings.Trim(text, " \t")
	value := text
	switch {
	case strings.HasPrefix(text, `"`), strings.HasPrefix(text, "'"):
		value, err = unquote(text)
	case strings.Contains(text, " #") || strings.Contains(text, "\t#"):
		remark = "the value of " + key + " has a # in it, which is part of the value; put the value in quotes to make that plain, or the comment on a line of its own"
	}
	switch {
	case err != nil:
		return EnvVar{}, "", fmt.Errorf("the value of %s %w", key, err)
	case strings.ContainsRune(value, 0):
		return EnvVar{}, "", fmt.Errorf("the value of %s has a zero byte in it", key)
	case len(key)+1+len(value) > maxEnvVar:
		return EnvVar{}, "", fmt.Errorf("the value of %s has %d bytes, more than the system hands to a program", key, len(value))
	}
	return EnvVar{Key: key, Value: value}, remark, nil
}

func isKey(s string) bool {
	for i, r := range s {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '.' && r != '-') {
			return false
		}
	}
	return s != ""
}

// unquote reads a value in quotes, after which only a comment may follow. In
// single quotes everything is itself. In double quotes \n, \r and \t are control
// characters, a \ before a quote, a backquote, a dollar or another \ takes its
// meaning away, and any other \ is itself.
func unquote(text string) (string, error) {
	quote := text[0]
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		switch {
		case c == quote:
			rest := strings.TrimLeft(text[i+1:], " \t")
			if rest != "" && (rest[0] != '#' || len(rest) == len(text[i+1:])) {
				return "", errors.New("goes on after its closing quote")
			}
			return b.String(), nil
		case c == '\\' && quote == '"' && i+1 < len(text):
			i++
			switch text[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case 't':
				b.WriteByte('\t')
			case '"', '\\', '$', '`', '\'':
				b.WriteByte(text[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(text[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New(`has no closing quote on its line; write a line break as \n in double quotes`)
}
