/* A read-only folder inside a WASI program.
 *
 * Owns: the functions of WASI preview 1 that have to do with files, for a program that was linked with `--embed`: one more
 * preopened folder, whose files are static data that the static linker (linker/src/merge) lays out. Everything else goes
 * to the host. Built as a side module; the static linker lets the program's imports lead here.
 *
 * A program finds its preopened folders by asking for descriptors 3, 4 and so on. The first one that the host does not
 * have is the folder's; what the host has from there on is shifted by one. Files of the folder have numbers of their own.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What follows is known to linker/src/merge/tree.rs, field by field. */

struct node {
    const char *name;
    uint32_t name_length;
    uint32_t is_folder;
    uint32_t first; /* a file's contents, or the number of a folder's first child: children are sorted by name */
    uint32_t count; /* a file's bytes, or a folder's children */
    uint32_t parent;
};

struct tree {
    const char *path; /* of the folder, in the program */
    uint32_t path_length;
    const struct node *nodes; /* the folder itself first */
};

/* Filled in by the static linker; not zero, since code of wasm-ld's fills what is zero at the start. */
__attribute__((visibility("default"))) struct tree pydl_tree = { .path_length = 1 };

/* Error numbers, file types and flags of WASI preview 1. */
enum {
    SUCCESS = 0, ACCES = 2, BADF = 8, INVAL = 28, ISDIR = 31, NFILE = 41, NOENT = 44, NOTDIR = 54, NOTSUP = 58,
    ROFS = 69, SPIPE = 70, XDEV = 75, NOTCAPABLE = 76,
};
enum { FOLDER = 3, FILE = 4 };
enum { O_CREAT = 1, O_DIRECTORY = 2, O_EXCL = 4, O_TRUNC = 8 };
#define RIGHT_READ (1ull << 1)
#define RIGHT_SEEK (1ull << 2)
#define RIGHT_TELL (1ull << 5)
#define RIGHT_WRITE (1ull << 6)
#define RIGHT_PATH_OPEN (1ull << 13)
#define RIGHT_READDIR (1ull << 14)
#define RIGHT_READLINK (1ull << 15)
#define RIGHT_PATH_STAT (1ull << 18)
#define RIGHT_STAT (1ull << 21)
#define RIGHT_POLL (1ull << 27)
#define RIGHTS_OF_FILE (RIGHT_READ | RIGHT_SEEK | RIGHT_TELL | RIGHT_STAT | RIGHT_POLL)
#define RIGHTS_OF_FOLDER (RIGHT_PATH_OPEN | RIGHT_READDIR | RIGHT_READLINK | RIGHT_PATH_STAT | RIGHT_STAT)

#define HOST(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
#define OWN(name) __attribute__((visibility("default"), export_name("tree_" #name)))

typedef uint32_t fd_t;
typedef int32_t error_t;
struct piece {
    uint8_t *bytes;
    uint32_t size;
};

/* ---- descriptors ---- */

HOST(fd_prestat_get) error_t host_fd_prestat_get(fd_t fd, void *into);

enum { FIRST_OPEN = 1 << 20, MOST_OPEN = 1024 };

static struct {
    uint32_t node; /* its number plus 1; 0 if the entry is free */
    uint64_t offset;
} open_files[MOST_OPEN];

/* The descriptor of the folder: the first that the host does not have. */
static fd_t folder(void)
{
    static fd_t found = 0;
    if (found == 0) {
        uint32_t ignored[2];
        for (found = 3; host_fd_prestat_get(found, ignored) == SUCCESS;)
            found++;
    }
    return found;
}

static bool is_own(fd_t fd)
{
    return fd == folder() || fd >= FIRST_OPEN;
}

/* The host's number of a descriptor that is not our own. */
static fd_t of_host(fd_t fd)
{
    return fd > folder() ? fd - 1 : fd;
}

/* The program's number of a descriptor that the host has made. */
static fd_t of_program(fd_t fd)
{
    return fd >= folder() ? fd + 1 : fd;
}

static bool is_open(fd_t fd)
{
    return fd >= FIRST_OPEN && fd - FIRST_OPEN < MOST_OPEN && open_files[fd - FIRST_OPEN].node != 0;
}

/* The node of one of our own descriptors; NULL if it is not open. */
static const struct node *node_of(fd_t fd)
{
    if (fd == folder())
        return &pydl_tree.nodes[0];
    return is_open(fd) ? &pydl_tree.nodes[open_files[fd - FIRST_OPEN].node - 1] : NULL;
}

/* ---- paths ---- */

static int32_t compare(const char *one, uint32_t one_length, const char *other, uint32_t other_length)
{
    uint32_t both = one_length < other_length ? one_length : other_length;
    for (uint32_t at = 0; at < both; at++) {
        if (one[at] != other[at])
            return (uint8_t)one[at] < (uint8_t)other[at] ? -1 : 1;
    }
    return one_length < other_length ? -1 : one_length > other_length;
}

static const struct node *child(const struct node *folder, const char *name, uint32_t length)
{
    uint32_t low = 0, high = folder->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct node *node = &pydl_tree.nodes[folder->first + middle];
        int32_t order = compare(name, length, node->name, node->name_length);
        if (order == 0)
            return node;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Walks a path from a folder of ours. */
static error_t walk(const struct node *from, const char *path, uint32_t length, const struct node **found)
{
    if (length > 0 && path[0] == '/')
        return NOTCAPABLE;
    if (length == 0)
        return NOENT;
    const struct node *node = from;
    uint32_t at = 0;
    while (at < length) {
        uint32_t end = at;
        while (end < length && path[end] != '/')
            end++;
        uint32_t part = end - at;
        if (!node->is_folder)
            return NOTDIR;
        if (part == 2 && path[at] == '.' && path[at + 1] == '.') {
            if (node == &pydl_tree.nodes[0])
                return NOTCAPABLE;
            node = &pydl_tree.nodes[node->parent];
        } else if (part != 0 && !(part == 1 && path[at] == '.')) {
            node = child(node, &path[at], part);
            if (node == NULL)
                return NOENT;
        }
        at = end + 1;
    }
    if (path[length - 1] == '/' && !node->is_folder)
        return NOTDIR;
    *found = node;
    return SUCCESS;
}

static error_t walk_from(fd_t fd, const char *path, uint32_t length, const struct node **found)
{
    const struct node *from = node_of(fd);
    if (from == NULL)
        return BADF;
    return from->is_folder ? walk(from, path, length, found) : NOTDIR;
}

static void fill_zero(uint8_t *at, uint32_t size)
{
    for (uint32_t index = 0; index < size; index++)
        at[index] = 0;
}

/* A `filestat`. */
static void describe(const struct node *node, uint8_t *into)
{
    fill_zero(into, 64);
    *(uint64_t *)(into + 8) = (uint64_t)(node - pydl_tree.nodes) + 1;
    into[16] = node->is_folder ? FOLDER : FILE;
    *(uint64_t *)(into + 24) = 1;
    *(uint64_t *)(into + 32) = node->is_folder ? 0 : node->count;
}

/* ---- the folder itself ---- */

HOST(fd_prestat_dir_name) error_t host_fd_prestat_dir_name(fd_t fd, char *into, uint32_t size);

OWN(fd_prestat_get) error_t own_fd_prestat_get(fd_t fd, uint32_t *into)
{
    if (fd != folder())
        return host_fd_prestat_get(of_host(fd), into);
    into[0] = 0; /* a folder */
    into[1] = pydl_tree.path_length;
    return SUCCESS;
}

OWN(fd_prestat_dir_name) error_t own_fd_prestat_dir_name(fd_t fd, char *into, uint32_t size)
{
    if (fd != folder())
        return host_fd_prestat_dir_name(of_host(fd), into, size);
    for (uint32_t at = 0; at < size && at < pydl_tree.path_length; at++)
        into[at] = pydl_tree.path[at];
    return SUCCESS;
}

/* ---- reading ---- */

HOST(path_open) error_t host_path_open(fd_t fd, uint32_t lookup, const char *path, uint32_t length, uint32_t flags,
    uint64_t rights, uint64_t inheriting, uint32_t fd_flags, fd_t *opened);

OWN(path_open) error_t own_path_open(fd_t fd, uint32_t lookup, const char *path, uint32_t length, uint32_t flags,
    uint64_t rights, uint64_t inheriting, uint32_t fd_flags, fd_t *opened)
{
    if (!is_own(fd)) {
        error_t error = host_path_open(of_host(fd), lookup, path, length, flags, rights, inheriting, fd_flags, opened);
        if (error == SUCCESS)
            *opened = of_program(*opened);
        return error;
    }
    const struct node *node;
    error_t error = walk_from(fd, path, length, &node);
    if (error != SUCCESS)
        return error == NOENT && (flags & O_CREAT) != 0 ? ROFS : error;
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0)
        return 20; /* EXIST */
    if ((flags & O_DIRECTORY) != 0 && !node->is_folder)
        return NOTDIR;
    if (node->is_folder && (rights & RIGHT_WRITE) != 0)
        return ISDIR;
    if ((flags & O_TRUNC) != 0 || (rights & RIGHT_WRITE) != 0)
        return ROFS;
    for (uint32_t entry = 0; entry < MOST_OPEN; entry++) {
        if (open_files[entry].node == 0) {
            open_files[entry].node = (uint32_t)(node - pydl_tree.nodes) + 1;
            open_files[entry].offset = 0;
            *opened = FIRST_OPEN + entry;
            return SUCCESS;
        }
    }
    return NFILE;
}

HOST(fd_close) error_t host_fd_close(fd_t fd);

OWN(fd_close) error_t own_fd_close(fd_t fd)
{
    if (!is_own(fd))
        return host_fd_close(of_host(fd));
    if (!is_open(fd))
        return fd == folder() ? SUCCESS : BADF;
    open_files[fd - FIRST_OPEN].node = 0;
    return SUCCESS;
}

static error_t read_at(const struct node *node, uint64_t offset, const struct piece *pieces, uint32_t count, uint32_t *done)
{
    if (node == NULL)
        return BADF;
    if (node->is_folder)
        return ISDIR;
    const uint8_t *contents = (const uint8_t *)node->first;
    *done = 0;
    for (uint32_t piece = 0; piece < count; piece++) {
        for (uint32_t at = 0; at < pieces[piece].size;) {
            if (offset >= node->count)
                return SUCCESS;
            uint32_t rest = node->count - (uint32_t)offset, room = pieces[piece].size - at;
            uint32_t size = rest < room ? rest : room;
            __builtin_memcpy(pieces[piece].bytes + at, contents + offset, size);
            at += size;
            offset += size;
            *done += size;
        }
    }
    return SUCCESS;
}

HOST(fd_read) error_t host_fd_read(fd_t fd, const struct piece *pieces, uint32_t count, uint32_t *done);

OWN(fd_read) error_t own_fd_read(fd_t fd, const struct piece *pieces, uint32_t count, uint32_t *done)
{
    if (!is_own(fd))
        return host_fd_read(of_host(fd), pieces, count, done);
    if (fd == folder())
        return ISDIR;
    if (!is_open(fd))
        return BADF;
    error_t error = read_at(node_of(fd), open_files[fd - FIRST_OPEN].offset, pieces, count, done);
    if (error == SUCCESS)
        open_files[fd - FIRST_OPEN].offset += *done;
    return error;
}

HOST(fd_pread) error_t host_fd_pread(fd_t fd, const struct piece *pieces, uint32_t count, uint64_t offset, uint32_t *done);

OWN(fd_pread) error_t own_fd_pread(fd_t fd, const struct piece *pieces, uint32_t count, uint64_t offset, uint32_t *done)
{
    return is_own(fd) ? read_at(node_of(fd), offset, pieces, count, done)
                      : host_fd_pread(of_host(fd), pieces, count, offset, done);
}

HOST(fd_seek) error_t host_fd_seek(fd_t fd, int64_t offset, uint32_t whence, uint64_t *position);

OWN(fd_seek) error_t own_fd_seek(fd_t fd, int64_t offset, uint32_t whence, uint64_t *position)
{
    if (!is_own(fd))
        return host_fd_seek(of_host(fd), offset, whence, position);
    if (!is_open(fd))
        return BADF;
    const struct node *node = node_of(fd);
    if (node->is_folder)
        return ISDIR;
    int64_t from = whence == 0 ? 0 : whence == 1 ? (int64_t)open_files[fd - FIRST_OPEN].offset : (int64_t)node->count;
    int64_t to;
    if (whence > 2 || __builtin_add_overflow(from, offset, &to) || to < 0)
        return INVAL;
    open_files[fd - FIRST_OPEN].offset = (uint64_t)to;
    *position = (uint64_t)to;
    return SUCCESS;
}

HOST(fd_tell) error_t host_fd_tell(fd_t fd, uint64_t *position);

OWN(fd_tell) error_t own_fd_tell(fd_t fd, uint64_t *position)
{
    return is_own(fd) ? own_fd_seek(fd, 0, 1, position) : host_fd_tell(of_host(fd), position);
}

HOST(fd_readdir) error_t host_fd_readdir(fd_t fd, uint8_t *into, uint32_t size, uint64_t cookie, uint32_t *used);

OWN(fd_readdir) error_t own_fd_readdir(fd_t fd, uint8_t *into, uint32_t size, uint64_t cookie, uint32_t *used)
{
    if (!is_own(fd))
        return host_fd_readdir(of_host(fd), into, size, cookie, used);
    const struct node *folder = node_of(fd);
    if (folder == NULL)
        return BADF;
    if (!folder->is_folder)
        return NOTDIR;
    *used = 0;
    for (; cookie < folder->count && *used < size; cookie++) {
        const struct node *node = &pydl_tree.nodes[folder->first + cookie];
        uint8_t entry[24];
        fill_zero(entry, sizeof entry);
        *(uint64_t *)entry = cookie + 1;
        *(uint64_t *)(entry + 8) = (uint64_t)(node - pydl_tree.nodes) + 1;
        *(uint32_t *)(entry + 16) = node->name_length;
        entry[20] = node->is_folder ? FOLDER : FILE;
        /* What does not fit is cut: a full buffer says that there is more. */
        for (uint32_t at = 0; at < sizeof entry && *used < size; at++)
            into[(*used)++] = entry[at];
        for (uint32_t at = 0; at < node->name_length && *used < size; at++)
            into[(*used)++] = (uint8_t)node->name[at];
    }
    return SUCCESS;
}

/* ---- what things are ---- */

HOST(fd_fdstat_get) error_t host_fd_fdstat_get(fd_t fd, uint8_t *into);

OWN(fd_fdstat_get) error_t own_fd_fdstat_get(fd_t fd, uint8_t *into)
{
    if (!is_own(fd))
        return host_fd_fdstat_get(of_host(fd), into);
    const struct node *node = node_of(fd);
    if (node == NULL)
        return BADF;
    fill_zero(into, 24);
    into[0] = node->is_folder ? FOLDER : FILE;
    *(uint64_t *)(into + 8) = node->is_folder ? RIGHTS_OF_FOLDER : RIGHTS_OF_FILE;
    /* The C library leaves out what a folder does not pass on, and then opens a file to be written for reading. */
    *(uint64_t *)(into + 16) = node->is_folder ? RIGHTS_OF_FOLDER | RIGHTS_OF_FILE | RIGHT_WRITE : 0;
    return SUCCESS;
}

HOST(fd_filestat_get) error_t host_fd_filestat_get(fd_t fd, uint8_t *into);

OWN(fd_filestat_get) error_t own_fd_filestat_get(fd_t fd, uint8_t *into)
{
    if (!is_own(fd))
        return host_fd_filestat_get(of_host(fd), into);
    const struct node *node = node_of(fd);
    if (node == NULL)
        return BADF;
    describe(node, into);
    return SUCCESS;
}

HOST(path_filestat_get) error_t host_path_filestat_get(fd_t fd, uint32_t lookup, const char *path, uint32_t length, uint8_t *into);

OWN(path_filestat_get) error_t own_path_filestat_get(fd_t fd, uint32_t lookup, const char *path, uint32_t length, uint8_t *into)
{
    if (!is_own(fd))
        return host_path_filestat_get(of_host(fd), lookup, path, length, into);
    const struct node *node;
    error_t error = walk_from(fd, path, length, &node);
    if (error == SUCCESS)
        describe(node, into);
    return error;
}

HOST(path_readlink) error_t host_path_readlink(fd_t fd, const char *path, uint32_t length, char *into, uint32_t size, uint32_t *used);

OWN(path_readlink) error_t own_path_readlink(fd_t fd, const char *path, uint32_t length, char *into, uint32_t size, uint32_t *used)
{
    if (!is_own(fd))
        return host_path_readlink(of_host(fd), path, length, into, size, used);
    const struct node *node;
    error_t error = walk_from(fd, path, length, &node);
    return error == SUCCESS ? INVAL : error;
}

/* ---- what descriptors of the folder do not do ---- */

#define PASSED(name, own, parameters, arguments)                   \
    HOST(name) error_t host_##name parameters;                     \
    OWN(name) error_t own_##name parameters                        \
    {                                                              \
        return is_own(fd) ? own : host_##name arguments;           \
    }

PASSED(fd_advise, SUCCESS, (fd_t fd, uint64_t from, uint64_t size, uint32_t advice), (of_host(fd), from, size, advice))
PASSED(fd_allocate, ROFS, (fd_t fd, uint64_t from, uint64_t size), (of_host(fd), from, size))
PASSED(fd_datasync, SUCCESS, (fd_t fd), (of_host(fd)))
PASSED(fd_sync, SUCCESS, (fd_t fd), (of_host(fd)))
PASSED(fd_fdstat_set_flags, SUCCESS, (fd_t fd, uint32_t flags), (of_host(fd), flags))
PASSED(fd_fdstat_set_rights, SUCCESS, (fd_t fd, uint64_t rights, uint64_t inheriting), (of_host(fd), rights, inheriting))
PASSED(fd_filestat_set_size, ROFS, (fd_t fd, uint64_t size), (of_host(fd), size))
PASSED(fd_filestat_set_times, ROFS, (fd_t fd, uint64_t access, uint64_t change, uint32_t flags), (of_host(fd), access, change, flags))
PASSED(fd_write, BADF, (fd_t fd, const struct piece *pieces, uint32_t count, uint32_t *done), (of_host(fd), pieces, count, done))
PASSED(fd_pwrite, BADF, (fd_t fd, const struct piece *pieces, uint32_t count, uint64_t offset, uint32_t *done), (of_host(fd), pieces, count, offset, done))
PASSED(path_create_directory, ROFS, (fd_t fd, const char *path, uint32_t length), (of_host(fd), path, length))
PASSED(path_filestat_set_times, ROFS, (fd_t fd, uint32_t lookup, const char *path, uint32_t length, uint64_t access, uint64_t change, uint32_t flags), (of_host(fd), lookup, path, length, access, change, flags))
PASSED(path_remove_directory, ROFS, (fd_t fd, const char *path, uint32_t length), (of_host(fd), path, length))
PASSED(path_unlink_file, ROFS, (fd_t fd, const char *path, uint32_t length), (of_host(fd), path, length))
PASSED(sock_recv, NOTSUP, (fd_t fd, const struct piece *pieces, uint32_t count, uint32_t flags, uint32_t *done, uint32_t *told), (of_host(fd), pieces, count, flags, done, told))
PASSED(sock_send, NOTSUP, (fd_t fd, const struct piece *pieces, uint32_t count, uint32_t flags, uint32_t *done), (of_host(fd), pieces, count, flags, done))
PASSED(sock_shutdown, NOTSUP, (fd_t fd, uint32_t how), (of_host(fd), how))

HOST(sock_accept) error_t host_sock_accept(fd_t fd, uint32_t flags, fd_t *accepted);

OWN(sock_accept) error_t own_sock_accept(fd_t fd, uint32_t flags, fd_t *accepted)
{
    if (is_own(fd))
        return NOTSUP;
    error_t error = host_sock_accept(of_host(fd), flags, accepted);
    if (error == SUCCESS)
        *accepted = of_program(*accepted);
    return error;
}

HOST(fd_renumber) error_t host_fd_renumber(fd_t from, fd_t to);

OWN(fd_renumber) error_t own_fd_renumber(fd_t from, fd_t to)
{
    return is_own(from) || is_own(to) ? NOTSUP : host_fd_renumber(of_host(from), of_host(to));
}

HOST(path_symlink) error_t host_path_symlink(const char *old, uint32_t old_length, fd_t fd, const char *path, uint32_t length);

OWN(path_symlink) error_t own_path_symlink(const char *old, uint32_t old_length, fd_t fd, const char *path, uint32_t length)
{
    return is_own(fd) ? ROFS : host_path_symlink(old, old_length, of_host(fd), path, length);
}

HOST(path_link) error_t host_path_link(fd_t from, uint32_t lookup, const char *old, uint32_t old_length, fd_t to, const char *path, uint32_t length);

OWN(path_link) error_t own_path_link(fd_t from, uint32_t lookup, const char *old, uint32_t old_length, fd_t to, const char *path, uint32_t length)
{
    if (is_own(to))
        return ROFS;
    return is_own(from) ? XDEV : host_path_link(of_host(from), lookup, old, old_length, of_host(to), path, length);
}

HOST(path_rename) error_t host_path_rename(fd_t from, const char *old, uint32_t old_length, fd_t to, const char *path, uint32_t length);

OWN(path_rename) error_t own_path_rename(fd_t from, const char *old, uint32_t old_length, fd_t to, const char *path, uint32_t length)
{
    if (is_own(from) || is_own(to))
        return ROFS;
    return host_path_rename(of_host(from), old, old_length, of_host(to), path, length);
}

/* ---- waiting ---- */

HOST(poll_oneoff) error_t host_poll_oneoff(uint8_t *wanted, uint8_t *events, uint32_t count, uint32_t *happened);

enum { SUBSCRIPTION = 48, KIND = 8, DESCRIPTOR = 16, OF_CLOCK = 0, EVENT = 32 };

/* Files of the folder can always be read: if one is asked for, the answer is those that are. */
OWN(poll_oneoff) error_t own_poll_oneoff(uint8_t *wanted, uint8_t *events, uint32_t count, uint32_t *happened)
{
    uint32_t ready = 0;
    for (uint32_t at = 0; at < count; at++) {
        uint8_t *subscription = wanted + at * SUBSCRIPTION;
        if (subscription[KIND] != OF_CLOCK && is_own(*(fd_t *)(subscription + DESCRIPTOR))) {
            uint8_t *event = events + ready++ * EVENT;
            fill_zero(event, EVENT);
            *(uint64_t *)event = *(uint64_t *)subscription;
            event[10] = subscription[KIND];
        }
    }
    if (ready > 0) {
        *happened = ready;
        return SUCCESS;
    }
    for (uint32_t at = 0; at < count; at++) {
        uint8_t *subscription = wanted + at * SUBSCRIPTION;
        if (subscription[KIND] != OF_CLOCK)
            *(fd_t *)(subscription + DESCRIPTOR) = of_host(*(fd_t *)(subscription + DESCRIPTOR));
    }
    error_t error = host_poll_oneoff(wanted, events, count, happened);
    for (uint32_t at = 0; at < count; at++) {
        uint8_t *subscription = wanted + at * SUBSCRIPTION;
        if (subscription[KIND] != OF_CLOCK)
            *(fd_t *)(subscription + DESCRIPTOR) = of_program(*(fd_t *)(subscription + DESCRIPTOR));
    }
    return error;
}
