/* Proves where libraries are searched: LD_LIBRARY_PATH, runtime paths with $ORIGIN, paths; and that one file is one library. */
/// row: search | library-path: | A bare name is searched in the folders of LD_LIBRARY_PATH, in order | ld.so; other.ld_library_path
/// row: search | library-path-second: | A folder of LD_LIBRARY_PATH that lacks the name is passed over | ld.so; other.ld_library_path
/// row: search | without-runtime-path: | A needed library in a folder that nobody names is not found, and the error names it | ld.so; other.dlopen_rpath
/// row: search | origin: | $ORIGIN in a runtime path is the folder of the library that has it | ld.so; tool-conventions RUNTIME_PATH; other.dlopen_rpath; other.dylink_dependencies_rpath
/// row: search | origin-nested: | Each library of a chain has its own runtime path; ${ORIGIN} is $ORIGIN | ld.so; gap.needed_rpaths; other.dlopen_rpath
/// row: search | not-inherited: | A runtime path serves the library that has it, not what that one needs | ld.so RUNPATH; gap.needed_rpaths
/// row: search | two-folders: | Of two folders in a runtime path the first that has the library serves | ld.so; gap.needed_rpaths
/// row: search | environment-first: | LD_LIBRARY_PATH comes before the runtime path | ld.so RUNPATH; other.ld_library_path
/// row: search | found-as-loaded: | A needed name that is loaded already is not searched again | ld.so SONAME; gap.needed_rpaths
/// row: search | absolute: | A library is opened by its absolute path | POSIX dlopen; core.dlfcn_preload
/// row: search | absolute-needs: | A library that is opened by its path finds what it needs by its runtime path | core.dlfcn_preload; other.ld_library_path
/// row: search | relative: | A path with a slash is relative to the working directory | POSIX dlopen
/// row: dlopen | two-spellings: | A file that is opened by two spellings of its path is one library | POSIX dlopen
/// row: dlopen | by-name-and-path: | A file that is opened by its name and by its path is one library | POSIX dlopen
/// row: dlopen | same-name: | Two files of one name in two folders are two libraries | POSIX dlopen
/// row: failure | folder: | A folder is no library | POSIX dlopen
/// row: failure | text: | A text file is no library, and the error names it | POSIX dlopen
/// row: failure | long-name: | A name longer than a file system has is not found | POSIX dlopen
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"

static char here[PATH_MAX];

/* Opens a library by its path in the folder of the case. */
static void *open_at(const char *path)
{
    char full[2 * PATH_MAX];
    snprintf(full, sizeof full, "%s/%s", here, path);
    return dlopen(full, RTLD_NOW);
}

/* What a function of a library says, or what dlerror has of a name. */
static const char *say(void *library, const char *function, const char *name)
{
    if (library == NULL) {
        const char *error = dlerror();
        return error != NULL && strstr(error, name) != NULL ? "refused, named" : "refused";
    }
    const char *(*call)(void) = (const char *(*)(void))dlsym(library, function);
    return call != NULL ? call() : "no function";
}

int run_case(void)
{
    folder_of((void *)run_case, here, sizeof here);

    void *both = dlopen("libboth.so", RTLD_NOW);
    printf("library-path: %s\n", say(both, "both", ""));
    printf("library-path-second: %s\n", say(dlopen("libsecond.so", RTLD_NOW), "second", ""));

    printf("without-runtime-path: %s\n", say(open_at("deep/nopath.so"), "nopath", "libhere.so"));
    void *plugin = open_at("deep/plugin.so");
    printf("origin: %s\n", say(plugin, "plugin", ""));
    printf("origin-nested: %s\n", say(plugin, "inner", ""));
    printf("not-inherited: %s\n", say(open_at("deep/outer.so"), "outer", "libfar.so"));
    printf("two-folders: %s\n", say(open_at("pair/user.so"), "user", ""));
    printf("environment-first: %s\n", say(open_at("pair/prefers.so"), "prefers", ""));
    printf("found-as-loaded: %s\n", say(open_at("deep/nopath.so"), "nopath", "libhere.so"));

    void *plain = open_at("abs/plain.so");
    printf("absolute: %s\n", say(plain, "plain", ""));
    printf("absolute-needs: %s\n", say(open_at("abs/needs.so"), "needs", ""));
    printf("relative: %s\n", chdir(here) == 0 && dlopen("./abs/plain.so", RTLD_NOW) == plain &&
        dlopen("abs/plain.so", RTLD_NOW) == plain ? "same" : "other");
    printf("two-spellings: %d %d\n", open_at("./abs//plain.so") == plain, open_at("pair/../abs/plain.so") == plain);
    printf("by-name-and-path: %d\n", open_at("first/libboth.so") == both);
    void *left = open_at("same/left/twin.so"), *right = open_at("same/right/twin.so");
    printf("same-name: different %d, %s %s\n", left != right, say(left, "twin", ""), say(right, "twin", ""));

    printf("folder: %s\n", say(open_at("abs"), "x", "abs"));
    printf("text: %s\n", say(open_at("library_path.txt"), "x", "library_path.txt"));
    char name[5000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    printf("long-name: %d\n", dlopen(name, RTLD_NOW) == NULL);
    return 0;
}
