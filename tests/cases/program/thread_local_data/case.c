/* Proves that thread-local variables of libraries work in a process of one thread: initialized, shared across libraries. */
/// row: c | next: | Thread-local variables of a library are initialized | C11 _Thread_local
/// row: c | after changes here: | Thread-local variables are shared across libraries of one thread | C11 _Thread_local
/// row: c | own: | Thread-local variables are aligned and zeroed as declared | C11 _Thread_local
#include <stdio.h>

extern _Thread_local int liba_local;
extern _Thread_local int liba_zero[];
int liba_next(void), *liba_address(void);

static _Thread_local int own = 1;
_Thread_local _Alignas(32) char aligned[32] = "aligned";

int run_case(void)
{
    printf("next: %d", liba_next());
    printf(" %d\n", liba_next());
    liba_zero[99] = 100;
    liba_local = 50;
    printf("after changes here: %d,", liba_next());
    printf(" %d\n", liba_local);
    printf("one address: %d\n", liba_address() == &liba_local);
    own += 1;
    printf("own: %d %s %d\n", own, aligned, (int)((__UINTPTR_TYPE__)aligned % 32));
    return 0;
}
