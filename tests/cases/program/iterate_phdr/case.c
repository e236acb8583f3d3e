/* Proves what dl_iterate_phdr tells: libraries by name, where their data is, how many came and went; and that a callback ends it. */
/// row: dladdr | 42 in plugin.so | dl_iterate_phdr tells where the data of each library is, and ends when the callback returns something other than 0 | glibc dl_iterate_phdr
/// row: dladdr | 42 in case.so, main comes first: | dl_iterate_phdr begins with the main program, which has no name | glibc dl_iterate_phdr
/// row: dladdr | 0, removed: | dl_iterate_phdr counts what was loaded and unloaded | glibc dl_iterate_phdr
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

struct search {
    const void *address;
    char name[32];
    unsigned long long adds, subs;
    int calls, first_has_no_name;
};

static int look(struct dl_phdr_info *info, size_t size, void *data)
{
    struct search *search = data;
    const char *slash = strrchr(info->dlpi_name, '/');
    if (size < sizeof *info)
        return -1;
    if (search->calls++ == 0)
        search->first_has_no_name = info->dlpi_name[0] == '\0';
    search->adds = info->dlpi_adds;
    search->subs = info->dlpi_subs;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        size_t offset = (size_t)search->address - info->dlpi_addr - header->p_vaddr;
        if (header->p_type == PT_LOAD && offset < header->p_memsz) {
            snprintf(search->name, sizeof search->name, "%s", slash == NULL ? info->dlpi_name : slash + 1);
            return 42;
        }
    }
    return 0;
}

static int own;

static int calls(void)
{
    struct search all = {NULL, "", 0, 0, 0, 0};
    dl_iterate_phdr(look, &all);
    return all.calls;
}

int run_case(void)
{
    struct search before = {&own, "", 0, 0, 0, 0}, during = before, after = before;
    int result = dl_iterate_phdr(look, &before);
    printf("%d in %s, main comes first: %d\n", result, before.name, before.first_has_no_name);
    int count = calls();
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    during.address = dlsym(plugin, "datum");
    result = dl_iterate_phdr(look, &during);
    printf("%d in %s, added: %d\n", result, during.name, (int)(during.adds - before.adds));
    printf("one more: %d\n", calls() == count + 1);
    dlclose(plugin);
    after.address = during.address;
    result = dl_iterate_phdr(look, &after);
    printf("%d, removed: %d\n", result, (int)(after.subs - during.subs));
    printf("as before: %d\n", calls() == count);
    return 0;
}
