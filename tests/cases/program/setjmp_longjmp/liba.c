/* Proves: a library catches its own longjmp and lets others pass through its frames. */
#include <setjmp.h>
#include <stdio.h>

static int depth;

static void dive(jmp_buf *out, int to);
/* Compilers see that the recursion has no end but a jump. */
static void (*volatile dive_again)(jmp_buf *, int) = dive;

/* Jumps out of a recursion. */
static void dive(jmp_buf *out, int to)
{
    depth++;
    if (depth < to)
        dive_again(out, to);
    else
        longjmp(*out, depth);
    printf("not reached\n");
}

int lib_recovers(int to)
{
    jmp_buf here;
    depth = 0;
    int reached = setjmp(here);
    if (reached == 0)
        dive(&here, to);
    return reached;
}

void lib_calls(void (*callback)(void *), void *argument)
{
    printf("lib calls\n");
    callback(argument);
    printf("lib returns\n");
}
