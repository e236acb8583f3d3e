// Proves that what C++ has once in a program is one in libraries that are opened RTLD_LOCAL, and nothing else is.
/// row: c++ | static local: | A static variable of an inline function is one in libraries that are opened RTLD_LOCAL, whichever defines it first | C++ [dcl.inline]; glibc STB_GNU_UNIQUE
/// row: c++ | static local with a guard: | So are one with an initialization that runs, once, and its guard | C++ [stmt.dcl]; glibc STB_GNU_UNIQUE
/// row: c++ | static member: | So is a static member of a template | C++ [basic.def.odr]; glibc STB_GNU_UNIQUE
/// row: c++ | variable template: | So is an instance of a variable template | C++ [basic.def.odr]; glibc STB_GNU_UNIQUE
/// row: c++ | inline variable with a guard: | So is an inline variable with an initialization that runs | C++ [dcl.inline]; glibc STB_GNU_UNIQUE
/// row: c++ | inline variable: 0 | An inline variable whose value is a constant is one in each library | glibc STB_GNU_UNIQUE | The libraries' files do not tell it from a plain variable, and two of that kind are two, as in ELF
/// row: c++ | plain variable: | Variables of the same name that are no inline ones are each library's own | glibc RTLD_LOCAL
/// row: c++ | unnamed namespace: | So is what is in unnamed namespaces | C++ [namespace.unnamed]
/// row: c++ | inline function: two | So are inline functions | glibc RTLD_LOCAL
/// row: c++ | virtual functions: | Classes of the same name that differ have each library's own virtual functions | glibc RTLD_LOCAL
/// row: c++ | with RTLD_DEEPBIND: | RTLD_DEEPBIND makes no second one | glibc STB_GNU_UNIQUE
/// row: dlsym | by handle: | dlsym by the handle of either library finds the one that is used | glibc STB_GNU_UNIQUE
/// row: dlclose | the first is closed: | The library that defines it stays as long as one that uses it | glibc STB_GNU_UNIQUE
/// row: dlclose | made in libb | So what it initializes once is initialized anew, by the library that comes then | C++ [basic.start.dynamic] | glibc lets no library leave that has ever defined such data
/// row: dlclose | opened again: | When all who use it have left, so does it | glibc | glibc lets no library leave that has ever defined such data
#include <dlfcn.h>
#include <stdio.h>

using Address = int *();

static int *ask(void *library, const char *name)
{
    return ((Address *)dlsym(library, name))();
}

static void compare(const char *what, const char *name, void *liba, void *libb)
{
    int *one = ask(liba, name), *two = ask(libb, name);
    *one += 1;
    printf("%s: %d, values %d %d\n", what, one == two, *one, *two);
}

extern "C" int run_case()
{
    void *liba = dlopen("liba.so", RTLD_NOW | RTLD_LOCAL);
    void *libb = dlopen("libb.so", RTLD_NOW | RTLD_LOCAL);
    compare("static local", "address_counter", liba, libb);
    compare("static local with a guard", "address_made", liba, libb);
    compare("static member", "address_member", liba, libb);
    compare("variable template", "address_variable", liba, libb);
    compare("inline variable with a guard", "address_initialized", liba, libb);
    compare("inline variable", "address_constant", liba, libb);
    compare("plain variable", "address_plain", liba, libb);
    compare("unnamed namespace", "address_private", liba, libb);
    printf("inline function: %s\n", ask(liba, "address_function") == ask(libb, "address_function") ? "one" : "two");
    using Virtual = int(const void *);
    printf("virtual functions: %d %d\n", ((Virtual *)dlsym(liba, "virtual_calls"))(nullptr),
        ((Virtual *)dlsym(libb, "virtual_calls"))(nullptr));
    void *one = dlsym(liba, "_ZZ7countervE5count"), *two = dlsym(libb, "_ZZ7countervE5count");
    printf("by handle: %d %d\n", one == ask(liba, "address_counter"), one == two);
    void *deep = dlopen("deep.so", RTLD_NOW | RTLD_DEEPBIND);
    printf("with RTLD_DEEPBIND: %d\n", ask(deep, "address_counter") == one);

    dlclose(deep);
    dlclose(liba);
    *ask(libb, "address_counter") = 500;
    liba = dlopen("liba.so", RTLD_NOW | RTLD_LOCAL);
    printf("the first is closed: %d\n", *ask(liba, "address_counter"));
    dlclose(liba);
    dlclose(libb);
    libb = dlopen("libb.so", RTLD_NOW | RTLD_LOCAL);
    printf("opened again: %d\n", *ask(libb, "address_counter"));
    return 0;
}
