/* Proves: setjmp and longjmp within a library, out of a recursion, across another library's frames, and nested. */
/// row: c | setjmp 10, | longjmp within a library returns its value | C setjmp; core.longjmp2_main_module
/// row: c | recovered from 7 | longjmp leaves a recursion | C longjmp
/// row: c | jumped 42 | longjmp crosses another library's frames | core.dlfcn_longjmp
/// row: c | nested 602 | longjmp to the outer of two buffers skips the inner | C longjmp
#include <setjmp.h>
#include <stdio.h>

int lib_recovers(int to);
void lib_calls(void (*callback)(void *), void *argument);

static void jump(void *target)
{
    longjmp(*(jmp_buf *)target, 42);
}

static void stay(void *target)
{
    (void)target;
    printf("callback stays\n");
}

static int nested(void)
{
    jmp_buf outer, inner;
    volatile int step = 0;
    int from_outer = setjmp(outer);
    if (from_outer != 0)
        return from_outer * 100 + step;
    int from_inner = setjmp(inner);
    step++;
    if (from_inner == 0)
        longjmp(inner, 5);
    longjmp(outer, from_inner + 1);
}

int run_case(void)
{
    jmp_buf here;
    volatile int rounds = 0;
    int value = setjmp(here);
    printf("setjmp %d, round %d\n", value, rounds);
    if (rounds < 3) {
        rounds++;
        longjmp(here, rounds == 2 ? 0 : rounds * 10); /* 0 becomes 1 */
    }
    printf("recovered from %d\n", lib_recovers(7));
    lib_calls(stay, NULL);
    int jumped = setjmp(here);
    if (jumped == 0)
        lib_calls(jump, &here);
    printf("jumped %d\n", jumped);
    printf("nested %d\n", nested());
    return 0;
}
