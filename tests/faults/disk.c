/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A disk that does as it is told, between a program and the C library (LD_PRELOAD).
 *
 * Only files whose path contains DISK_PATH are touched.
 *   DISK_CONTROL  a file that names what fails from now on, "fsync EIO" or "write ENOSPC",
 *                 one a line; empty or missing: nothing.  Asked at every call.
 *   DISK_TRACE    a file that gets every change in its order, for trying power cuts.
 *   DISK_KILL_AT  the process is killed before the n-th sync or change of a name.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *wanted, *control;
static int trace = -1;
static long kill_at, changes;

__attribute__((constructor)) static void begin(void)
{
    wanted = getenv("DISK_PATH");
    control = getenv("DISK_CONTROL");
    const char *path = getenv("DISK_TRACE");
    if (path)
        trace = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *at = getenv("DISK_KILL_AT");
    kill_at = at ? atol(at) : 0;
}

static int concerns(const char *path)
{
    return wanted && strstr(path, wanted) != NULL;
}

static int path_of(int descriptor, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlink, link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return concerns(path);
}

/* The error that `call` is to fail with now, or 0. */
static int ordered(const char *call)
{
    char text[256];
    if (!control)
        return 0;
    int descriptor = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
    if (descriptor < 0)
        return 0;
    ssize_t length = syscall(SYS_read, descriptor, text, sizeof text - 1);
    syscall(SYS_close, descriptor);
    text[length < 0 ? 0 : length] = 0;
    for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        size_t size = strlen(call);
        if (strncmp(line, call, size) == 0 && line[size] == ' ')
            return strcmp(line + size + 1, "ENOSPC") == 0 ? ENOSPC : EIO;
    }
    return 0;
}

/* One change: its kind, two paths, an offset, octets. */
static void note(char kind, const char *path, const char *other, int64_t offset, const void *octets, size_t size)
{
    struct __attribute__((packed)) {
        char kind;
        uint16_t path, other;
        int64_t offset;
        uint32_t size;
    } head = {kind, (uint16_t)strlen(path), (uint16_t)strlen(other), offset, (uint32_t)size};
    if (trace < 0)
        return;
    size_t total = sizeof head + head.path + head.other + size;
    char *all = malloc(total);
    memcpy(all, &head, sizeof head);
    memcpy(all + sizeof head, path, head.path);
    memcpy(all + sizeof head + head.path, other, head.other);
    if (size)
        memcpy(all + sizeof head + head.path + head.other, octets, size);
    if (syscall(SYS_write, trace, all, total) != (ssize_t)total)
        abort();
    free(all);
}

static void count(void)
{
    if (kill_at && ++changes == kill_at)
        kill(getpid(), SIGKILL);
}

#define FAIL_IF_ORDERED(call)                                                                                          \
    do {                                                                                                               \
        int error = ordered(call);                                                                                     \
        if (error) {                                                                                                   \
            errno = error;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
        if (strcmp(call, "write") != 0)                                                                                \
            count();                                                                                                   \
    } while (0)

static ssize_t do_pwrite(int descriptor, const void *octets, size_t size, off_t offset, int is_write)
{
    char path[PATH_MAX];
    int ours = path_of(descriptor, path);
    if (ours)
        FAIL_IF_ORDERED("write");
    pthread_mutex_lock(&lock);
    if (is_write && ours)
        offset = fcntl(descriptor, F_GETFL) & O_APPEND ? lseek(descriptor, 0, SEEK_END) : lseek(descriptor, 0, SEEK_CUR);
    ssize_t done = is_write ? syscall(SYS_write, descriptor, octets, size)
                            : syscall(SYS_pwrite64, descriptor, octets, size, offset);
    int error = errno;
    if (ours && done > 0)
        note('W', path, "", offset, octets, (size_t)done);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

ssize_t write(int descriptor, const void *octets, size_t size)
{
    return do_pwrite(descriptor, octets, size, 0, 1);
}

ssize_t pwrite(int descriptor, const void *octets, size_t size, off_t offset)
{
    return do_pwrite(descriptor, octets, size, offset, 0);
}

ssize_t pwrite64(int descriptor, const void *octets, size_t size, off_t offset)
{
    return do_pwrite(descriptor, octets, size, offset, 0);
}

static int do_sync(int descriptor, long call)
{
    char path[PATH_MAX];
    int ours = path_of(descriptor, path);
    if (ours && ordered("fsync"))
        note('F', path, "", 0, NULL, 0);
    if (ours)
        FAIL_IF_ORDERED("fsync");
    pthread_mutex_lock(&lock);
    int done = (int)syscall(call, descriptor);
    int error = errno;
    if (ours && done == 0)
        note('S', path, "", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int fsync(int descriptor)
{
    return do_sync(descriptor, SYS_fsync);
}

int fdatasync(int descriptor)
{
    return do_sync(descriptor, SYS_fdatasync);
}

static int do_truncate(int descriptor, off_t size)
{
    char path[PATH_MAX];
    int ours = path_of(descriptor, path);
    if (ours)
        FAIL_IF_ORDERED("write");
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_ftruncate, descriptor, size);
    int error = errno;
    if (ours && done == 0)
        note('T', path, "", size, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int ftruncate(int descriptor, off_t size)
{
    return do_truncate(descriptor, size);
}

int ftruncate64(int descriptor, off_t size)
{
    return do_truncate(descriptor, size);
}

static int do_rename(const char *from, const char *to)
{
    if (concerns(from))
        FAIL_IF_ORDERED("rename");
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    int error = errno;
    if (concerns(from) && done == 0)
        note('R', from, to, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int rename(const char *from, const char *to)
{
    return do_rename(from, to);
}

int unlink(const char *path)
{
    if (concerns(path))
        FAIL_IF_ORDERED("unlink");
    pthread_mutex_lock(&lock);
    int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    int error = errno;
    if (concerns(path) && done == 0)
        note('U', path, "", 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

int link(const char *from, const char *to)
{
    if (concerns(from))
        FAIL_IF_ORDERED("link");
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}
