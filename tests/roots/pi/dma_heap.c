/* Preloaded where the kernel has no CONFIG_DMABUF_HEAPS: opening any file below /dev/dma_heap/ gives a descriptor on which
 * the one request that matters, DMA_HEAP_IOCTL_ALLOC, hands out plain memory (memfd) instead of a DMA buffer. Telling the
 * caches of such a buffer or naming it is answered with success, for there is nothing to do. All else goes to the kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DESCRIPTORS = 4096 };
static const char FOLDER[] = "/dev/dma_heap/";
static volatile bool is_heap[DESCRIPTORS];

static int open_any(int folder, const char *path, int flags, mode_t mode) {
    if (path == NULL || strncmp(path, FOLDER, sizeof FOLDER - 1) != 0)
        return syscall(SYS_openat, folder, path, flags, mode);
    int heap = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | (flags & O_CLOEXEC), 0);
    if (heap >= DESCRIPTORS) {
        syscall(SYS_close, heap);
        errno = EMFILE;
        return -1;
    }
    if (heap >= 0)
        is_heap[heap] = true;
    return heap;
}

#define TAKE_MODE(mode, flags)                                  \
    mode_t mode = 0;                                            \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                      \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode = va_arg(rest, mode_t);                            \
        va_end(rest);                                           \
    }

int open(const char *path, int flags, ...) { TAKE_MODE(mode, flags) return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { TAKE_MODE(mode, flags) return open_any(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { TAKE_MODE(mode, flags) return open_any(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { TAKE_MODE(mode, flags) return open_any(folder, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }

int close(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS)
        is_heap[descriptor] = false;
    return syscall(SYS_close, descriptor);
}

static int allocate(struct dma_heap_allocation_data *wanted) {
    int memory = memfd_create("dma-buffer", MFD_CLOEXEC);
    if (memory < 0)
        return -1;
    if (ftruncate(memory, (off_t)((wanted->len + 4095) / 4096 * 4096)) != 0) {
        syscall(SYS_close, memory);
        return -1;
    }
    wanted->fd = (unsigned)memory;
    return 0;
}

int ioctl(int descriptor, unsigned long request, ...) {
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    unsigned number = (unsigned)request;  /* Python sign-extends it */
    if (number == (unsigned)DMA_HEAP_IOCTL_ALLOC && descriptor >= 0 && descriptor < DESCRIPTORS && is_heap[descriptor])
        return allocate(argument);
    int answer = syscall(SYS_ioctl, descriptor, request, argument);
    bool harmless = number == (unsigned)DMA_BUF_IOCTL_SYNC || number == (unsigned)DMA_BUF_SET_NAME_A ||
                    number == (unsigned)DMA_BUF_SET_NAME_B || number == (unsigned)DMA_BUF_SET_NAME;
    if (answer < 0 && harmless && (errno == ENOTTY || errno == EINVAL)) {
        errno = 0;
        return 0;
    }
    return answer;
}
