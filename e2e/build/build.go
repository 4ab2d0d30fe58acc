// SPDX-License-Identifier: Apache-2.0

// Package build builds programs for tests that need one as a file.
package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// Program builds a package of this module, which is at root, into a file. It does
// so as the user who called sudo, whose build cache must stay his own.
func Program(ctx context.Context, root, pkg, to string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, pkg)
	command.Dir, command.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if err := asUser(command, filepath.Dir(to)); err != nil {
		return fmt.Errorf("build %s: %w", pkg, err)
	}
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, said)
	}
	return nil
}

// asUser lets a command run as who called sudo, and write to a folder.
func asUser(command *exec.Cmd, folder string) error {
	uid, errUID := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32)
	gid, errGID := strconv.ParseUint(os.Getenv("SUDO_GID"), 10, 32)
	if os.Geteuid() != 0 || errUID != nil || errGID != nil {
		return nil
	}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return os.Chown(folder, int(uid), int(gid))
}
