/* Needs two branches. */
const char *who(void);
const char *asked_by_left(void);

const char *name(void)
{
    return "top";
}

const char *only_in_top(void)
{
    return asked_by_left() == who() ? "same" : "different";
}
