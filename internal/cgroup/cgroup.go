// Package cgroup finds the memory cgroups of a process, of either version of the
// interface.
//
// Invariant: it reads what the kernel shows below a root that is given, and
// knows no other file system, so that a test can lay out any machine.
//
// Smallest use:
//
//	for at := range cgroup.Memory(os.DirFS("/"), "self") {
//		limit, err := fs.ReadFile(root, at.File("memory.max", "memory.limit_in_bytes"))
//	}
package cgroup

import (
	"io/fs"
	"iter"
	"path"
	"strings"
)

// Dir is one cgroup.
type Dir struct {
	path string
	v2   bool
}

// File is the path, without a leading slash, of the file that has one name in
// version 2 of the interface and another in version 1.
func (d Dir) File(v2, v1 string) string {
	if d.v2 {
		return path.Join(d.path, v2)
	}
	return path.Join(d.path, v1)
}

// Memory gives the cgroups that count the memory of a process, a number or
// "self", each before the ones above it. It gives none where they cannot be read.
func Memory(root fs.FS, process string) iter.Seq[Dir] {
	return func(yield func(Dir) bool) {
		groups, _ := fs.ReadFile(root, path.Join("proc", process, "cgroup"))
		for line := range strings.Lines(string(groups)) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(parts) != 3 {
				continue
			}
			base, v2 := "sys/fs/cgroup", parts[1] == ""
			if !v2 {
				if !strings.Contains(","+parts[1]+",", ",memory,") {
					continue
				}
				base = "sys/fs/cgroup/memory"
			}
			for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
				if !yield(Dir{path.Join(base, dir), v2}) {
					return
				}
				if dir == "/" {
					break
				}
			}
		}
	}
}
