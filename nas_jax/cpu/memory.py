"""The settings of malloc with which XLA on a CPU is faster. They count from the start of a process."""

# XLA on a CPU allocates its temporaries anew at every call, and page faults then bound the step. These keep freed
# memory in the process and ask for huge pages (Linux with glibc; elsewhere they do nothing). XLA on a GPU allocates
# on the device, and compiles in many threads, which would fight for the one arena.
MALLOC_VARIABLES = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "536870912",
    "MALLOC_ARENA_MAX": "1",  # XLA allocates in other threads, whose own arenas would be given back when empty
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
