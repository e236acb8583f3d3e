/* Has a thread-local variable. */
_Thread_local int per_thread = 5;

int *address_of_it(void)
{
    return &per_thread;
}
