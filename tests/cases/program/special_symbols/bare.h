/* The source of two libraries without data. */
extern char __dso_handle __attribute__((visibility("hidden")));

void *bare_dso_handle(void)
{
    return &__dso_handle;
}
