/* Proves that the static objects of a C++ library end when it is closed, last constructed first, those of functions included. */
/// row: c++ | local ends | A static object of a function ends when its library is closed, before those that were constructed earlier | Itanium C++ ABI 3.3.6
/// row: c++ | element 1 ends | The elements of a static array end from the last to the first | Itanium C++ ABI 3.3.6
/// row: c++ | first ends | Static objects of a file end in the reverse order of their construction, before dlclose returns | Itanium C++ ABI 3.3.6
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    void *plugin = dlopen("plugin.so", RTLD_NOW);
    ((void (*)(void))dlsym(plugin, "use_local"))();
    printf("close\n");
    printf("closed: %d\n", dlclose(plugin));
    return 0;
}
