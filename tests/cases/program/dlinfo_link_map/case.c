/* Proves what dlinfo tells: where a library is, and the list of what is loaded. */
/// row: dladdr | main is "": case.so plugin.so | dlinfo(RTLD_DI_LINKMAP) gives the list of loaded libraries in load order, linked in both directions | glibc dlinfo
/// row: dladdr | origin: | dlinfo(RTLD_DI_ORIGIN) gives the folder of a library | glibc dlinfo
/// row: dladdr | bad request: | dlinfo refuses an unknown request with a message for dlerror | glibc dlinfo
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Prints the names of our libraries, and whether the list is a list. */
static void show(struct link_map *map)
{
    int is_linked = 1;
    while (map->l_prev != NULL)
        map = map->l_prev;
    printf("main is \"%s\":", map->l_name);
    for (; map != NULL; map = map->l_next) {
        const char *name = base_name(map->l_name);
        if (strcmp(name, "case.so") == 0 || strcmp(name, "plugin.so") == 0)
            printf(" %s", name);
        if (map->l_next != NULL && map->l_next->l_prev != map)
            is_linked = 0;
    }
    printf(", linked: %d\n", is_linked);
}

int run_case(void)
{
    void *self = dlopen("case.so", RTLD_NOW);
    struct link_map *own = NULL, *other = NULL;
    printf("dlinfo: %d\n", dlinfo(self, RTLD_DI_LINKMAP, &own));
    show(own);
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    printf("dlinfo: %d\n", dlinfo(plugin, RTLD_DI_LINKMAP, &other));
    show(own);
    printf("%s\n", base_name(other->l_name));
    int *datum = dlsym(plugin, "datum");
    printf("its data is behind its base: %d\n", (char *)datum >= (char *)other->l_addr);
    char origin[4096], path[5000];
    printf("dlinfo: %d\n", dlinfo(plugin, RTLD_DI_ORIGIN, origin));
    snprintf(path, sizeof path, "%s/plugin.so", origin);
    printf("origin: %d\n", dlopen(path, RTLD_NOW | RTLD_NOLOAD) == plugin);
    dlclose(plugin);
    dlclose(plugin);
    show(own);
    printf("bad request: %d\n", dlinfo(self, 12345, origin) == -1);
    printf("error: %d\n", dlerror() != NULL);
    return 0;
}
