package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func fieldOf(s Setting) (reflect.StructField, bool) {
	return reflect.TypeFor[Settings]().Field(s.index), s.index < reflect.TypeFor[Settings]().NumField()
}

func TestEnvFileForms(t *testing.T) {
	for _, tc := range []struct{ line, key, value string }{
		{"A=b", "A", "b"},
		{"  A = b  ", "A", "b"},
		{"\tA=b\t\r\n", "A", "b"},
		{"export A=b", "A", "b"},
		{"export\tA=b", "A", "b"},
		{"export=b", "export", "b"},
		{"exported=b", "exported", "b"},
		{"A=", "A", ""},
		{"A=b=c", "A", "b=c"},
		{"A=b # c", "A", "b # c"},
		{"A=http://x/#y", "A", "http://x/#y"},
		{`A="b c"`, "A", "b c"},
		{`A="b" # c`, "A", "b"},
		{`A=" b "`, "A", " b "},
		{`A="a\nb\tc\r"`, "A", "a\nb\tc\r"},
		{`A="\"\\\$\'"`, "A", `"\$'`},
		{`A="C:\path\x"`, "A", `C:\path\x`},
		{`A='b "c" \n $D'`, "A", `b "c" \n $D`},
		{`A=''`, "A", ""},
		{`A=b"c"`, "A", `b"c"`},
		{`A=$B ${C}`, "A", "$B ${C}"},
		{"a.b-c_1=x", "a.b-c_1", "x"},
		{"_=x", "_", "x"},
		{"", "", ""},
		{"   ", "", ""},
		{"# A=b", "", ""},
		{"  #", "", ""},
	} {
		v, _, err := parseEnvLine(strings.TrimRight(tc.line, "\r\n"))
		if err != nil || v.Key != tc.key || v.Value != tc.value {
			t.Errorf("%q is %q=%q (%v), want %q=%q", tc.line, v.Key, v.Value, err, tc.key, tc.value)
		}
	}
}

// An error names the line and what is wrong, and repeats nothing that stands
// there.
func TestEnvFileErrors(t *testing.T) {
	const secret = "s3cr3t"
	for line, want := range map[string]string{
		secret:                        "there is no = in it; want KEY=VALUE",
		"export " + secret:            "there is no = in it; want KEY=VALUE",
		"1" + secret + "=x":           "what stands before = is not a name",
		"=" + secret:                  "what stands before = is not a name",
		"A B=" + secret:               "what stands before = is not a name",
		"-----BEGIN " + secret + "=":  "what stands before = is not a name",
		`A="` + secret:                "the value of A has no closing quote on its line",
		`A="` + secret + `\"`:         "the value of A has no closing quote on its line",
		`A='` + secret:                "the value of A has no closing quote on its line",
		`A="` + secret + `"` + secret: "the value of A goes on after its closing quote",
		`A="` + secret + `"# c`:       "the value of A goes on after its closing quote",
		"A=" + secret + "\x00":        "the value of A has a zero byte in it",
		"A=" + secret + strings.Repeat("x", maxEnvVar): "the value of A has 131077 bytes, more than the system hands to a program",
	} {
		_, err := parseEnvFile("/f", []byte("OK=1\n\n"+line+"\nMORE=1\n"))
		if err == nil || !strings.HasPrefix(err.Error(), "env file /f line 3: "+want) {
			t.Errorf("%.40q: %v, want %s", line, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%.40q: the error tells the secret: %v", line, err)
		}
	}
}

func TestEnvFileOrder(t *testing.T) {
	f, err := parseEnvFile("/f", []byte("\ufeffB=1\nA=2\n\nB=3\nC=4"))
	if err != nil {
		t.Fatal(err)
	}
	want := []EnvVar{{"B", "3", 4}, {"A", "2", 2}, {"C", "4", 5}}
	if !reflect.DeepEqual(f.Vars, want) {
		for _, v := range f.Vars {
			t.Errorf("line %d: %s=%s", v.Line, v.Key, v.Value)
		}
	}
}

func TestEnvFileKeepsSecrets(t *testing.T) {
	path := write(t, "KEY=s3cr3t\n")
	l, err := Load([]string{"--env-file", path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(form, l.EnvFile); strings.Contains(out, "s3cr3t") || !strings.Contains(out, "KEY") {
			t.Errorf("%s prints %s", form, out)
		}
	}
}

func TestEnvFileMustBeAFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, maxEnvFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		fifo:          "it is not a regular file, and it is read again at each reload",
		dir:           "it is a directory",
		big:           "it is larger than 1 MiB",
		"/dev/null":   "it is not a regular file, and it is read again at each reload",
		dir + "/gone": "no such file or directory",
	} {
		if _, err := readEnvFile(path); err == nil || err.Error() != "read env file "+path+": "+want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := readEnvFile(dir + "/gone"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v is not ErrNotExist", err)
	}
}

// Whatever the bytes: no panic, keys are names and stand once, and a value that
// needs no quotes is read back as it was.
func FuzzEnvFile(f *testing.F) {
	for _, s := range []string{"A=b\n", "export A='b'\n#c\n", "A=\"b\\n\"\r\nA=2", "\ufeffA=1", "A=\x00", "=", "export ", "A=' # '", "A.b-c=\"\\"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := parseEnvFile("/f", data)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		var again strings.Builder
		for _, v := range file.Vars {
			if !isKey(v.Key) || seen[v.Key] || v.Line < 1 || strings.ContainsRune(v.Value, 0) {
				t.Fatalf("%q in line %d", v.Key, v.Line)
			}
			seen[v.Key] = true
			if strings.ContainsAny(v.Value, "'\r\n") {
				v.Value = ""
			}
			fmt.Fprintf(&again, "export %s='%s'\n", v.Key, v.Value)
		}
		second, err := parseEnvFile("/f", []byte(again.String()))
		if err != nil || len(second.Vars) != len(file.Vars) {
			t.Fatalf("%d variables, written again %d: %v", len(file.Vars), len(second.Vars), err)
		}
		for i, v := range second.Vars {
			if was := file.Vars[i]; v.Key != was.Key || !strings.ContainsAny(was.Value, "'\r\n") && v.Value != was.Value {
				t.Fatalf("%s=%q, written again %s=%q", was.Key, was.Value, v.Key, v.Value)
			}
		}
	})
}
