/* Proves what destructors may do with the loader: open their own library, others, and close them; and what is left then. */
/// row: dlclose | own, not loaded anew: | A destructor finds its own library with RTLD_NOLOAD | glibc
/// row: dlclose | own, opened: | A destructor that opens its own library gets the same handle, and no second instance | glibc
/// row: dlclose | own symbols by handle: | dlsym with its own handle works in a destructor, before and after the library is opened again | glibc
/// row: dlclose | own name: | dladdr knows a library in its destructor | glibc
/// row: dlclose | loaded after its end: | A library that opened itself in its destructor leaves nevertheless | glibc
/// row: dlclose | opened again: | A library that left so is loaded anew, and constructed | POSIX dlclose
/// row: dlclose | helper begins | A library that a destructor opens is constructed at once | glibc
/// row: dlclose | helper ends | A library that a destructor opened and closed is destructed when that one has ended | glibc
/// row: dlclose | user ends, base there: | In a destructor the libraries that its library needs can be found | glibc
/// row: dlclose | base ends, user there: | In the destructor of what a library needed, that library cannot be found any more | glibc
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static int is_loaded(const char *name)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_NOLOAD);
    if (library != NULL)
        dlclose(library);
    return library != NULL;
}

int run_case(void)
{
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    printf("closed: %d\n", dlclose(plugin));
    printf("loaded after its end: %d\n", is_loaded("plugin.so"));
    setenv("PLUGIN_ENDS_QUIETLY", "1", 1);
    plugin = dlopen("plugin.so", RTLD_NOW);
    printf("opened again: %d\n", plugin != NULL);
    printf("closed again: %d\n", dlclose(plugin));
    void *user = dlopen("user.so", RTLD_NOW);
    printf("closed user: %d\n", dlclose(user));
    printf("loaded: %d %d %d\n", is_loaded("user.so"), is_loaded("libbase.so"), is_loaded("helper.so"));
    return 0;
}
