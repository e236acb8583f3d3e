/* Proves what dladdr says of pointers into nothing that is loaded. */
/// row: dladdr | null: | dladdr of NULL finds nothing | glibc dladdr
/// row: dladdr | minus one: | dladdr of the highest addresses, among them the -1 of MAP_FAILED and RTLD_NEXT, finds nothing | glibc dladdr
/// row: dladdr | stack and heap: | dladdr of the stack and of the heap finds nothing | glibc dladdr
/// row: dladdr | after unloading: | dladdr of data and functions of a library that has left finds nothing | glibc dladdr
/// row: dladdr | odd addresses: | dladdr of an address inside of an object finds the object | glibc dladdr
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int case_values[4];

static int knows(const void *pointer)
{
    Dl_info info;
    return dladdr(pointer, &info);
}

int run_case(void)
{
    int local = 0;
    void *heap = malloc(100);
    printf("null: %d\n", knows(NULL));
    printf("minus one: %d %d %d %d\n", knows((void *)-1), knows((void *)-2), knows((void *)(intptr_t)-4096), knows((void *)INTPTR_MIN));
    printf("stack and heap: %d %d\n", knows(&local), knows(heap));
    free(heap);
    Dl_info info;
    int found = dladdr((char *)case_values + 5, &info);
    printf("odd addresses: %d %d\n", found != 0, info.dli_saddr == case_values);
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    void *data = dlsym(plugin, "plugin_data"), *function = dlsym(plugin, "plugin_function");
    printf("loaded: %d %d\n", knows(data) != 0, knows(function) != 0);
    dlclose(plugin);
    printf("after unloading: %d %d\n", knows(data), knows(function));
    return 0;
}
