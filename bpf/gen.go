// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause

// Package bpf has the programs that run in the kernel, and the Go types and
// objects generated from their C. Regenerate with `make generate` (clang 19).
//
// Row has the maps and the Go types of their rows (RowEndpoint, RowPath, …) and
// enums; Uplink and Endpoint have the programs in their XDP form, UplinkTCX and
// EndpointTCX in their TCX form.
package bpf

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -mcpu=v3 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" Row rows.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -mcpu=v3 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" -no-global-types Uplink uplink.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -mcpu=v3 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" -no-global-types UplinkTCX uplink_tcx.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -mcpu=v3 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" -no-global-types Endpoint endpoint.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -mcpu=v3 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" -no-global-types EndpointTCX endpoint_tcx.bpf.c
