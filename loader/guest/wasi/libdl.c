/* The guest's half of pydl's dlopen family for WASI main modules.
 *
 * Owns: the C names dlopen, dlsym, dlclose, dlerror and dladdr (strong definitions, so they win over wasi-libc's weak
 * stubs), the host imports behind them (module "pydl_dlfcn_v1", nothing else), and pydl_read_file, by which the host gets
 * at library files. Linked statically into the main module; the main module must also export malloc, free and
 * aligned_alloc, from which the host takes the memory of libraries.
 *
 * Everything is decided by the host. This file only turns C conventions into plain numbers and back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dlfcn.h"

#define HOST(name) __attribute__((import_module("pydl_dlfcn_v1"), import_name(name)))

/* Pointers, handles and results are all i32 here. */
HOST("dlopen") void *host_dlopen(const char *file, int32_t flags); /* NULL means failure */
HOST("dlsym") void *host_dlsym(void *handle, const char *name);    /* address, or table index of a function; NULL means failure */
HOST("dlclose") int32_t host_dlclose(void *handle);                /* 0 or -1 */
HOST("dladdr") int32_t host_dladdr(const void *address, Dl_info *info); /* nonzero when info was filled */

/* Size of the pending message with its NUL, 0 if there is none. If `size` is at least that, the message is also copied to
 * `buffer` and no longer pending. */
HOST("dlerror") uint32_t host_dlerror(char *buffer, uint32_t size);

_Static_assert(sizeof(void *) == 4, "the host's side of this interface is wasm32");
_Static_assert(offsetof(Dl_info, dli_fname) == 0, "known to the host");
_Static_assert(offsetof(Dl_info, dli_fbase) == 4, "known to the host");
_Static_assert(offsetof(Dl_info, dli_sname) == 8, "known to the host");
_Static_assert(offsetof(Dl_info, dli_saddr) == 12, "known to the host");
_Static_assert(sizeof(Dl_info) == 16, "known to the host");

void *dlopen(const char *file, int flags)
{
    return host_dlopen(file, flags);
}

void *dlsym(void *restrict handle, const char *restrict name)
{
    return host_dlsym(handle, name);
}

int dlclose(void *handle)
{
    return host_dlclose(handle);
}

int dladdr(const void *address, Dl_info *info)
{
    return host_dladdr(address, info);
}

char *dlerror(void)
{
    static char no_memory[] = "out of memory";
    static char *last; /* valid until the next call, as POSIX says */

    free(last);
    last = NULL;
    uint32_t size = host_dlerror(NULL, 0);
    if (size == 0)
        return NULL;
    last = malloc(size);
    if (last == NULL)
        return no_memory; /* the message stays pending: a later call may have the memory */
    host_dlerror(last, size);
    return last;
}

/* ---- files ---- */

/* What the host reads back from guest memory; the offsets are part of the interface. `data` and `path` are malloc'ed and
 * are the host's to free. */
struct pydl_file {
    void *data;
    uint32_t size;
    char *path; /* absolute */
    uint32_t reserved;
    uint64_t device;
    uint64_t inode;
};
_Static_assert(offsetof(struct pydl_file, data) == 0, "known to the host");
_Static_assert(offsetof(struct pydl_file, size) == 4, "known to the host");
_Static_assert(offsetof(struct pydl_file, path) == 8, "known to the host");
_Static_assert(offsetof(struct pydl_file, reserved) == 12, "known to the host");
_Static_assert(offsetof(struct pydl_file, device) == 16, "known to the host");
_Static_assert(offsetof(struct pydl_file, inode) == 24, "known to the host");
_Static_assert(sizeof(struct pydl_file) == 32, "known to the host");

enum {
    LARGEST_FILE = 1 << 30, /* no library comes near it, and twice that would not fit into the memory beside a program */
};

/* The absolute form of a path, malloc'ed, without "." and doubled slashes; NULL if memory runs out. Symbolic links and ".."
 * stay, as in glibc: that two paths are one file the host tells by device and inode, and $ORIGIN means the folder that was
 * named. (realpath() would not do: it reads every folder from the root on, and a WASI process cannot see those above its
 * preopened ones.) */
static char *absolute_path(const char *path)
{
    char *folder = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
    if (folder == NULL)
        return NULL;
    size_t length = strlen(folder);
    char *absolute = realloc(folder, length + 1 + strlen(path) + 1);
    if (absolute == NULL) {
        free(folder);
        return NULL;
    }
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (length == 0 || absolute[length - 1] != '/')
                absolute[length++] = '/';
            memcpy(absolute + length, path, part);
            length += part;
        }
        path += part + (path[part] == '/');
    }
    absolute[length] = '\0';
    return absolute;
}

/* Reads the whole of an open regular file. */
static int read_open_file(int fd, struct pydl_file *out)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return errno;
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    if (!S_ISREG(status.st_mode))
        return EINVAL;
    if (status.st_size > LARGEST_FILE)
        return EFBIG;

    size_t size = (size_t)status.st_size;
    char *data = malloc(size > 0 ? size : 1); /* an empty file is no error here, and NULL must mean "no memory" */
    if (data == NULL)
        return ENOMEM;
    size_t got = 0;
    while (got < size) {
        ssize_t count = read(fd, data + got, size - got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            int error = errno;
            free(data);
            return error;
        }
        if (count == 0)
            break; /* it became shorter meanwhile: what there is will be judged by the host */
        got += (size_t)count;
    }
    out->data = data;
    out->size = (uint32_t)got;
    out->device = status.st_dev;
    out->inode = status.st_ino;
    return 0;
}

/* Called by the host, from within dlopen(): reads a library's file with what the *guest* is permitted to open. Returns 0,
 * or an errno, and then nothing stays allocated. The caller's errno is kept, since the program did not call this. */
__attribute__((export_name("pydl_read_file"))) int pydl_read_file(const char *path, struct pydl_file *out)
{
    int callers_errno = errno;
    memset(out, 0, sizeof *out);

    int error = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error = errno;
    } else {
        error = read_open_file(fd, out);
        close(fd);
        if (error == 0) {
            out->path = absolute_path(path);
            if (out->path == NULL) {
                free(out->data);
                memset(out, 0, sizeof *out);
                error = ENOMEM;
            }
        }
    }
    errno = callers_errno;
    return error;
}
