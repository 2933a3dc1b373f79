package standalone

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Dir is a data folder that this process holds for itself.
type Dir struct {
	Path string
	lock *os.File
}

// OpenDir makes the folder if it is not there and takes its lock. It fails at once when another process holds the lock;
// a process that died, however it died, holds none.
func OpenDir(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(path, "server.lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("data folder %s is in use by another server: %w", path, err)
	}
	return &Dir{Path: path, lock: lock}, nil
}

// File is the path of a file in the folder.
func (d *Dir) File(name ...string) string {
	return filepath.Join(append([]string{d.Path}, name...)...)
}

// Close gives up the lock.
func (d *Dir) Close() error { return d.lock.Close() }

// replaceFile writes a file so that a reader sees the old content or the new, never a part.
func replaceFile(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Chmod(mode); err != nil {
		f.Close()
		return err
	}
	if _, err := f.Write(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
