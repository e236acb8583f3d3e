/* The first branch, whose needed library defines what the second branch does. */
const char *asked_by_deep(void);

const char *asked_by_left(void)
{
    return asked_by_deep();
}
