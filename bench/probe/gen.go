// SPDX-License-Identifier: Apache-2.0

// Package probe has the BPF side of the benchmarks: the wrapper that gives a
// program a fresh packet for every repetition, and the floors.
package probe

//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" Wrapper wrapper.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -no-global-types -cflags "-O2 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" Floors floors.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -no-global-types -cflags "-O2 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" Live live.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -no-global-types -cflags "-O2 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" WrapperTCX wrapper_tcx.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -no-global-types -cflags "-O2 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" FloorsTCX floors_tcx.bpf.c
//go:generate go tool bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -cflags "-O2 -Wall -Wextra -Werror -I/usr/include/x86_64-linux-gnu" Mix mix.bpf.c
