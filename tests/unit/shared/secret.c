#include "secret.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

Test(secret, a_secret_is_text_without_nul_and_of_bounded_length)
{
    g_autofree char *huge = g_strnfill(SECRET_MAX_LEN + 1, 'x');
    cr_expect_null(secret_new(NULL, -1));
    cr_expect_null(secret_new("a\0b", 3));
    cr_expect_null(secret_new(huge, -1));
    g_autoptr(Secret) largest = secret_new(huge, (gssize)SECRET_MAX_LEN);
    cr_expect_eq(secret_len(largest), SECRET_MAX_LEN);
    g_autoptr(Secret) part = secret_new("token and more", 5);
    cr_expect_str_eq(secret_reveal(part), "token");
}

Test(secret, comparison_knows_null_length_and_content)
{
    g_autoptr(Secret) a = secret_new("one", -1);
    g_autoptr(Secret) same = secret_dup(a);
    g_autoptr(Secret) other = secret_new("two", -1);
    g_autoptr(Secret) longer = secret_new("one more", -1);
    cr_expect(secret_equal(a, same));
    cr_expect_not(secret_equal(a, other));
    cr_expect_not(secret_equal(a, longer));
    cr_expect_not(secret_equal(a, NULL));
    cr_expect(secret_equal(NULL, NULL));
    cr_expect_null(secret_dup(NULL));
}

Test(secret, what_is_living_is_redacted_and_what_is_freed_no_more)
{
    Secret *first = secret_new("ya29.first-token", -1);
    g_autoptr(Secret) second = secret_new("1//second-token", -1);
    g_autofree char *hidden =
        secret_redact("a ya29.first-token b 1//second-token c ya29.first-token");
    cr_expect_str_eq(hidden, "a <secret> b <secret> c <secret>");
    secret_free(first);
    g_autofree char *shown = secret_redact("ya29.first-token 1//second-token");
    cr_expect_str_eq(shown, "ya29.first-token <secret>");
}

Test(secret, pieces_of_what_a_server_may_repeat_are_redacted_too)
{
    g_autoptr(Secret) told = secret_new("dXNlcj1tZQFhdXRoPUJlYXJlciB5YTI5LnNlY3JldAEB", -1);
    g_autoptr(Secret) kept = secret_new("{\"uri\":\"https://oauth2.example/token\"}", -1);
    secret_redact_in_pieces(told);
    g_autofree char *cut = secret_redact("no AUTH X dXNlcj1tZQFhdXRoPUJlYXJlciB5");
    cr_expect_str_eq(cut, "no AUTH X <secret>");
    g_autofree char *split = secret_redact("dXNlcj1tZQFhdXRoPUJlYX Jlcg JlciB5YTI5LnNlY3JldAEB.");
    cr_expect_str_eq(split, "<secret> Jlcg <secret>.");
    g_autofree char *innocent = secret_redact("dXNlcj1tZQFhdXR https://oauth2.example/token");
    cr_expect_str_eq(innocent, "dXNlcj1tZQFhdXR https://oauth2.example/token");
}

Test(secret, short_texts_do_not_redact_innocent_words)
{
    g_autoptr(Secret) tiny = secret_new("a", -1);
    g_autofree char *text = secret_redact("a banana");
    cr_expect_str_eq(text, "a banana");
}

/* The pages are marked for the kernel: wd (no dump), wf (wiped at fork). */
static gboolean pages_have_flag(const void *address, const char *flag)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long start, end;
    gboolean inside = FALSE, found = FALSE;
    cr_assert_not_null(maps);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = start <= (unsigned long)address && (unsigned long)address < end;
        else if (inside && g_str_has_prefix(line, "VmFlags:"))
            found = strstr(line, flag) != NULL;
    }
    fclose(maps);
    return found;
}

Test(secret, its_pages_stay_out_of_core_dumps)
{
    g_autoptr(Secret) secret = secret_new("not for a core file", -1);
    cr_expect(pages_have_flag(secret_reveal(secret), " dd"));
}

Test(secret, its_pages_are_locked_where_the_limit_allows)
{
    gsize page = (gsize)sysconf(_SC_PAGESIZE);
    void *probe = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(probe, MAP_FAILED);
    gboolean allowed = mlock(probe, page) == 0 && pages_have_flag(probe, " lo");
    munmap(probe, page);
    if (!allowed)
        cr_skip("nobody may lock memory here, or a sanitizer does not");
    g_autoptr(Secret) secret = secret_new("not for the swap", -1);
    cr_expect(pages_have_flag(secret_reveal(secret), " lo"));
}

Test(secret, a_child_after_fork_sees_nothing)
{
    g_autoptr(Secret) secret = secret_new("not for children", -1);
    const char *text = secret_reveal(secret);
    pid_t child = fork();
    if (child == 0)
        _exit(text[0] == '\0' ? 0 : 1);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
