/* Proves whose definition serves when a library defines what the main program or an earlier library defines, too. */
/// row: symbols | imported: | What a library imports is bound to the first definition in scope | ELF gABI
/// row: symbols | own-call: | A library's call of its own strong function stays inside | wasm-ld | In ELF an earlier definition comes first unless linked with -Bsymbolic; wasm-ld links such calls directly, always
/// row: symbols | own-address: | The address of a library's own strong function is the first definition's in scope | tool-conventions GOT.func
/// row: symbols | own-data: | A library's own strong data is reached through the GOT, and is the first definition's in scope | tool-conventions GOT.mem
/// row: symbols | own-weak-call: | A library's call of its own weak function goes to the first definition in scope | ELF gABI
/// row: symbols | static-call: | Static functions are never interposed | C11 6.2.2
/// row: symbols | hidden-call: | Hidden functions are never interposed | ELF gABI STV_HIDDEN
#include <dlfcn.h>
#include <stdio.h>

int run_case(void)
{
    void *first = dlopen("first.so", RTLD_NOW | RTLD_GLOBAL);
    void *second = dlopen("second.so", RTLD_NOW);
    const char *const questions[] = {"imported", "own-call", "own-address", "own-data", "own-weak-call", "static-call", "hidden-call"};
    const char *(*ask)(int) = (const char *(*)(int))dlsym(second, "ask");
    for (int i = 0; i < 7; i++)
        printf("%s: %s\n", questions[i], ask(i));
    return first == NULL;
}
