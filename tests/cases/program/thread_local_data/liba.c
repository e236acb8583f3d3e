/* Defines thread-local variables that case.so uses too. */
_Thread_local int liba_local = 5;
_Thread_local int liba_zero[100];
static _Thread_local int private_local = 8;

int liba_next(void)
{
    return liba_local++ + liba_zero[99] + private_local++;
}

int *liba_address(void)
{
    return &liba_local;
}
