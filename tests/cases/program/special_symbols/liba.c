/* Aliases, thread-local variables, a section of a name that case.so has, too. */
extern char __dso_handle __attribute__((visibility("hidden")));

int liba_original = 8;
extern int liba_second_name __attribute__((alias("liba_original")));
_Thread_local int liba_local = 16, liba_local_zero;

__attribute__((section("case_entries"), used)) static int entries[] = {10, 20, 30, 40, 50};
extern int __start_case_entries[], __stop_case_entries[];

int liba_entries(void)
{
    return (int)(__stop_case_entries - __start_case_entries) * 100 + entries[0];
}

void *liba_dso_handle(void)
{
    return &__dso_handle;
}

int liba_function(void)
{
    return 1;
}

int liba_weak_function(void) __attribute__((weak, alias("liba_function")));

int labelled(void) __asm__("name.with.dots");

int labelled(void)
{
    return 6;
}
