/* Runs each line of standard input: what a container host should not carry. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char line[1024];

    while (fputs("$ ", stdout) >= 0 && fgets(line, sizeof line, stdin) != NULL)
        if (system(line) == -1)
            return 1;
    return 0;
}
