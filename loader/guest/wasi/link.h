/* <link.h> for main and side modules of a WASI process that runs under pydl.
 *
 * Owns: the list of loaded libraries as ELF systems show it, with their layouts for 32 bits, and the function that walks it. The
 * host fills the structures in, so they cannot change.
 */
#ifndef _LINK_H
#define _LINK_H

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint16_t Elf32_Half;
typedef uint32_t Elf32_Word;
typedef uint32_t Elf32_Addr;
typedef uint32_t Elf32_Off;
typedef struct {
    int32_t d_tag;
    union {
        Elf32_Word d_val;
        Elf32_Addr d_ptr;
    } d_un;
} Elf32_Dyn;
typedef struct {
    Elf32_Word p_type;
    Elf32_Off p_offset;
    Elf32_Addr p_vaddr;
    Elf32_Addr p_paddr;
    Elf32_Word p_filesz;
    Elf32_Word p_memsz;
    Elf32_Word p_flags;
    Elf32_Word p_align;
} Elf32_Phdr;
#define PT_LOAD 1
#define PF_W 2
#define PF_R 4

#define ElfW(type) Elf32_##type

/* A member of the list that dlinfo(RTLD_DI_LINKMAP) gives out: the main program, whose name is "", then the libraries in load
 * order. It stays valid until its library is unloaded. */
struct link_map {
    ElfW(Addr) l_addr; /* where the static data begins */
    char *l_name;      /* path */
    ElfW(Dyn) *l_ld;   /* NULL: there is no such section */
    struct link_map *l_next, *l_prev;
};

/* What dl_iterate_phdr() tells of each. There is one program header, PT_LOAD, for the static data; none for a library without
 * any. Code has no addresses in WebAssembly. */
struct dl_phdr_info {
    ElfW(Addr) dlpi_addr;
    const char *dlpi_name;
    const ElfW(Phdr) *dlpi_phdr;
    ElfW(Half) dlpi_phnum;
    unsigned long long dlpi_adds; /* modules that were ever loaded */
    unsigned long long dlpi_subs; /* those of them that were unloaded */
    size_t dlpi_tls_modid;        /* 0: thread-local data of single-threaded programs is static data */
    void *dlpi_tls_data;
};

_Static_assert(sizeof(struct link_map) == 20, "known to the host");
_Static_assert(sizeof(Elf32_Phdr) == 32, "known to the host");
_Static_assert(offsetof(struct dl_phdr_info, dlpi_phnum) == 12, "known to the host");
_Static_assert(offsetof(struct dl_phdr_info, dlpi_adds) == 16, "known to the host");
_Static_assert(offsetof(struct dl_phdr_info, dlpi_tls_modid) == 32, "known to the host");
_Static_assert(sizeof(struct dl_phdr_info) == 40, "known to the host");

#pragma GCC visibility push(default)

/* Calls back for each until that returns something other than 0, which is then the result. */
__attribute__((import_module("env"), import_name("dl_iterate_phdr"))) int dl_iterate_phdr(
    int (*callback)(struct dl_phdr_info *info, size_t size, void *data), void *data);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
