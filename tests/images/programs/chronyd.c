/* Prints the time of day and, given a number, the time that many seconds later. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int later(const char *words, char *out, size_t room)
{
    char copy[64];
    time_t now = time(NULL);
    struct tm parts;

    if (strlen(words) >= sizeof copy)
        return -1;
    strcpy(copy, words);
    now += strtol(copy, NULL, 10);
    if (gmtime_r(&now, &parts) == NULL)
        return -1;
    return (int)strftime(out, room, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

int main(int count, char **words)
{
    char line[80];

    if (later(count > 1 ? words[1] : "0", line, sizeof line) < 0)
        return 1;
    return printf("%s\n", line) < 0;
}
