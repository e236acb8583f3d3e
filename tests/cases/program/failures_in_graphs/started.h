/* Notes that a constructor has run, where no failed load takes it back. */
#include <stdio.h>
#include <stdlib.h>

static inline void note(const char *who)
{
    const char *before = getenv("STARTED");
    char text[100];
    snprintf(text, sizeof text, "%s%s%s", before != NULL ? before : "", before != NULL ? " " : "", who);
    setenv("STARTED", text, 1);
}
