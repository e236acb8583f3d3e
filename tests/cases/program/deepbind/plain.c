/* Opened without RTLD_DEEPBIND. */
const char *whose(void);

const char *ask_plain(void)
{
    return whose();
}
