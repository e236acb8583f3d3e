/* The dlopen family of a program whose libraries are linked into it.
 *
 * Owns: what dlopen, dlsym, dlclose, dlerror and dladdr do where no dynamic linker is: they answer from tables that the
 * static linker (linker/src/merge) fills in. Built as a side module that imports nothing but memory, table and stack
 * pointer; the static linker makes it a part of the program. Where a fallback is set, it is asked what the tables do not
 * know.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dlfcn.h"

/* What follows is known to linker/src/merge/tables.rs, field by field. */

struct symbol {
    const char *name;
    uint32_t value;       /* an address, or the table index of a function */
    uint32_t is_function; /* 0 or 1 */
};

/* Sorted by name. */
struct symbols {
    const struct symbol *first;
    uint32_t count;
};

struct indices {
    const uint32_t *first;
    uint32_t count;
};

struct library {
    const char *path;       /* with folders as far as they matter: "fputs.so", "package/module.so" */
    struct symbols symbols;
    struct indices order;   /* the libraries whose constructors an opening runs, this one included */
    struct indices scope;   /* the libraries that dlsym searches with its handle, this one first */
    void (*construct)(void); /* NULL without constructors */
    uint32_t data;          /* where its static data begins */
    uint32_t data_size;
    uint32_t slots;         /* its own table slots */
    uint32_t slot_count;
    /* The rest is 0 at first. */
    uint32_t opened;        /* how often it was opened, less how often it was closed */
    uint32_t is_begun;      /* whether its constructors have begun */
    uint32_t since;         /* the number of the opening that made its symbols global; 0 while they are not */
};

struct program {
    const char *name;
    struct symbols symbols; /* of the main module */
    uint32_t data;          /* the static data of the main module */
    uint32_t data_size;
    struct library *libraries;
    uint32_t count;
    /* What is asked about unknown libraries; NULL without a dynamic linker. */
    void *(*dlopen)(const char *, int32_t);
    void *(*dlsym)(void *, const char *);
    int32_t (*dlclose)(void *);
    int32_t (*dladdr)(const void *, Dl_info *);
    uint32_t (*dlerror)(char *, uint32_t); /* of the host */
    char *(*dlerror_text)(void);           /* of C */
    uint32_t last_opening;
};

/* Filled in by the static linker; not zero, since code of wasm-ld's fills what is zero at the start. */
__attribute__((visibility("default"))) struct program pydl_program = { .last_opening = 1 };

#define program pydl_program
#define EXPORT(name) __attribute__((visibility("default"), export_name(name)))

/* ---- text ---- */

static int compare(const char *one, const char *other)
{
    while (*one != '\0' && *one == *other) {
        one++;
        other++;
    }
    return (unsigned char)*one - (unsigned char)*other;
}

static uint32_t length(const char *text)
{
    uint32_t count = 0;
    while (text[count] != '\0')
        count++;
    return count;
}

enum { LONGEST = 1024 };

static struct {
    char text[LONGEST];
    uint32_t length; /* 0 if nothing is pending */
} message;

static void append(const char *text)
{
    while (*text != '\0' && message.length < LONGEST - 1)
        message.text[message.length++] = *text++;
}

/* Leaves a message for dlerror: the parts up to the first NULL. */
static void fail(const char *one, const char *two, const char *three, const char *four)
{
    const char *parts[] = { one, two, three, four };
    message.length = 0;
    for (int part = 0; part < 4 && parts[part] != NULL; part++)
        append(parts[part]);
    message.text[message.length] = '\0';
}

static void fail_with_number(const char *text, uint32_t number)
{
    char digits[11] = "0x";
    int at = 2;
    for (int shift = 28; shift >= 0; shift -= 4) {
        uint32_t digit = number >> shift & 15;
        if (digit != 0 || at > 2 || shift == 0)
            digits[at++] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
    }
    digits[at] = '\0';
    fail(text, digits, NULL, NULL);
}

/* ---- libraries ---- */

/* Whether a file name, as dlopen gets it, is this library's: the same path, or one that ends with it. */
static bool is_named(const struct library *library, const char *file)
{
    uint32_t all = length(file), own = length(library->path);
    if (all < own || compare(file + all - own, library->path) != 0)
        return false;
    return all == own || file[all - own - 1] == '/';
}

static struct library *find(const char *file)
{
    for (uint32_t index = 0; index < program.count; index++) {
        if (is_named(&program.libraries[index], file))
            return &program.libraries[index];
    }
    return NULL;
}

/* The library of a handle, which is its address; NULL if the handle is none of a library that is linked in. */
static struct library *of_handle(const void *handle)
{
    for (uint32_t index = 0; index < program.count; index++) {
        if (handle == &program.libraries[index])
            return &program.libraries[index];
    }
    return NULL;
}

/* Runs the constructors that an opening of a library runs, each once in the life of the program. */
EXPORT("pydl_construct") void pydl_construct(uint32_t index)
{
    const struct indices *order = &program.libraries[index].order;
    for (uint32_t at = 0; at < order->count; at++) {
        struct library *library = &program.libraries[order->first[at]];
        if (!library->is_begun) {
            library->is_begun = 1;
            if (library->construct != NULL)
                library->construct();
        }
    }
}

/* Makes the symbols of a library and of what it needs visible to all. */
static void promote(const struct library *library)
{
    for (uint32_t at = 0; at < library->scope.count; at++) {
        struct library *other = &program.libraries[library->scope.first[at]];
        if (other->since == 0)
            other->since = ++program.last_opening;
    }
}

/* ---- symbols ---- */

static const struct symbol *find_symbol(const struct symbols *symbols, const char *name)
{
    uint32_t low = 0, high = symbols->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(name, symbols->first[middle].name);
        if (order == 0)
            return &symbols->first[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct symbol *find_in_scope(const struct library *library, const char *name)
{
    for (uint32_t at = 0; at < library->scope.count; at++) {
        const struct symbol *found = find_symbol(&program.libraries[library->scope.first[at]].symbols, name);
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* The first definition in the global scope: the libraries that are in it in the order in which they came, after `after`,
 * and before them the main module, unless `skips_main`. */
static const struct symbol *find_global(const char *name, bool skips_main, uint32_t after)
{
    const struct symbol *found = skips_main ? NULL : find_symbol(&program.symbols, name);
    while (found == NULL) {
        const struct library *next = NULL;
        for (uint32_t index = 0; index < program.count; index++) {
            const struct library *library = &program.libraries[index];
            if (library->since > after && (next == NULL || library->since < next->since))
                next = library;
        }
        if (next == NULL)
            return NULL;
        found = find_symbol(&next->symbols, name);
        after = next->since;
    }
    return found;
}

/* The definition that comes after a library in the order in which its own imports were looked up. */
static const struct symbol *find_next(const struct library *caller, const char *name)
{
    if (caller == NULL)
        return find_global(name, true, 0);
    const struct symbol *found = NULL;
    if (caller->since != 0)
        found = find_global(name, true, caller->since);
    for (uint32_t at = 1; found == NULL && at < caller->scope.count; at++)
        found = find_symbol(&program.libraries[caller->scope.first[at]].symbols, name);
    return found != NULL ? found : find_symbol(&program.symbols, name);
}

/* ---- the family, with the host's side of libdl.c ---- */

static void *open_for(const struct library *caller, const char *file, int32_t flags)
{
    (void)caller;
    const int32_t known = RTLD_LAZY | RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL | RTLD_NODELETE | RTLD_DEEPBIND | 8;
    if ((flags & ~known) != 0) {
        fail_with_number("invalid mode for dlopen(): unknown bits ", (uint32_t)(flags & ~known));
        return NULL;
    }
    if ((flags & (RTLD_LAZY | RTLD_NOW)) == 0) {
        fail("invalid mode for dlopen(): Either RTLD_LAZY or RTLD_NOW is required", NULL, NULL, NULL);
        return NULL;
    }
    if (file == NULL)
        return &program;
    struct library *library = find(file);
    if (library == NULL) {
        if (program.dlopen != NULL)
            return program.dlopen(file, flags);
        fail(file, ": cannot be opened: it is not linked into ", program.name, NULL);
        return NULL;
    }
    if ((flags & RTLD_NOLOAD) != 0 && !library->is_begun) {
        fail(file, ": not loaded", NULL, NULL);
        return NULL;
    }
    library->opened++;
    if ((flags & RTLD_GLOBAL) != 0)
        promote(library);
    pydl_construct((uint32_t)(library - program.libraries));
    return library;
}

static void *symbol_for(const struct library *caller, void *handle, const char *name)
{
    const struct library *library = of_handle(handle);
    const struct symbol *found;
    const char *place = program.name;
    if (library != NULL) {
        if (library->opened == 0) {
            fail_with_number("invalid library handle ", (uint32_t)handle);
            return NULL;
        }
        found = find_in_scope(library, name);
        place = library->path;
    } else if (handle == &program) {
        found = find_global(name, false, 0);
    } else if (handle == RTLD_DEFAULT) {
        found = find_global(name, false, 0);
        if (found == NULL && caller != NULL)
            found = find_in_scope(caller, name);
        place = "the global scope";
    } else if (handle == RTLD_NEXT) {
        found = find_next(caller, name);
        fail("undefined symbol `", name, "` in what comes after ", caller != NULL ? caller->path : program.name);
        if (found == NULL)
            return NULL;
        message.length = 0;
    } else if (program.dlsym != NULL) {
        return program.dlsym(handle, name);
    } else {
        fail_with_number("invalid library handle ", (uint32_t)handle);
        return NULL;
    }
    if (found == NULL)
        fail("undefined symbol `", name, "` in ", place);
    return found != NULL ? (void *)found->value : NULL;
}

EXPORT("pydl_dlopen") void *pydl_dlopen(const char *file, int32_t flags)
{
    return open_for(NULL, file, flags);
}

EXPORT("pydl_dlsym") void *pydl_dlsym(void *handle, const char *name)
{
    return symbol_for(NULL, handle, name);
}

/* For calls out of a library: its number comes last. */
EXPORT("pydl_dlopen_from") void *pydl_dlopen_from(const char *file, int32_t flags, uint32_t caller)
{
    return open_for(&program.libraries[caller], file, flags);
}

EXPORT("pydl_dlsym_from") void *pydl_dlsym_from(void *handle, const char *name, uint32_t caller)
{
    return symbol_for(&program.libraries[caller], handle, name);
}

/* A library that is linked in stays: its destructors run at exit. */
EXPORT("pydl_dlclose") int32_t pydl_dlclose(void *handle)
{
    struct library *library = of_handle(handle);
    if (library != NULL && library->opened > 0) {
        library->opened--;
        return 0;
    }
    if (handle == &program)
        return 0;
    if (library == NULL && program.dlclose != NULL)
        return program.dlclose(handle);
    fail_with_number("invalid library handle ", (uint32_t)handle);
    return -1;
}

EXPORT("pydl_dlerror") uint32_t pydl_dlerror(char *buffer, uint32_t size)
{
    if (message.length == 0)
        return program.dlerror != NULL ? program.dlerror(buffer, size) : 0;
    uint32_t all = message.length + 1;
    if (size >= all) {
        for (uint32_t at = 0; at < all; at++)
            buffer[at] = message.text[at];
        message.length = 0;
    }
    return all;
}

/* dlerror itself, where libdl.c is not part of the program. */
EXPORT("pydl_dlerror_text") char *pydl_dlerror_text(void)
{
    static char last[LONGEST]; /* valid until the next call, as POSIX says */

    if (message.length == 0)
        return program.dlerror_text != NULL ? program.dlerror_text() : NULL;
    pydl_dlerror(last, LONGEST);
    return last;
}

/* The last data symbol at or before an address. */
static const struct symbol *nearest(const struct symbols *symbols, uint32_t address)
{
    const struct symbol *best = NULL;
    for (uint32_t at = 0; at < symbols->count; at++) {
        const struct symbol *symbol = &symbols->first[at];
        if (!symbol->is_function && symbol->value <= address && (best == NULL || symbol->value >= best->value))
            best = symbol;
    }
    return best;
}

static const struct symbol *function_at(const struct symbols *symbols, uint32_t slot)
{
    for (uint32_t at = 0; at < symbols->count; at++) {
        if (symbols->first[at].is_function && symbols->first[at].value == slot)
            return &symbols->first[at];
    }
    return NULL;
}

static int32_t report(Dl_info *info, const char *file, uint32_t base, const struct symbol *symbol)
{
    info->dli_fname = file;
    info->dli_fbase = (void *)base;
    info->dli_sname = symbol != NULL ? symbol->name : NULL;
    info->dli_saddr = symbol != NULL ? (void *)symbol->value : NULL;
    return 1;
}

EXPORT("pydl_dladdr") int32_t pydl_dladdr(const void *pointer, Dl_info *info)
{
    uint32_t address = (uint32_t)pointer;
    if (address == 0)
        return 0;
    for (uint32_t index = 0; index < program.count; index++) {
        const struct library *library = &program.libraries[index];
        if (address - library->data < library->data_size)
            return report(info, library->path, library->data, nearest(&library->symbols, address));
    }
    for (uint32_t index = 0; index < program.count; index++) {
        const struct library *library = &program.libraries[index];
        const struct symbol *function = function_at(&library->symbols, address);
        if (function != NULL || address - library->slots < library->slot_count)
            return report(info, library->path, library->data, function);
    }
    const struct symbol *function = function_at(&program.symbols, address);
    if (function != NULL)
        return report(info, program.name, 0, function);
    if (program.dladdr != NULL && program.dladdr(pointer, info) != 0)
        return 1;
    if (address - program.data >= program.data_size)
        return 0;
    return report(info, program.name, 0, nearest(&program.symbols, address));
}
