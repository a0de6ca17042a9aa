# bash: completion of postkey, postkey-send and postkey-queue. The programs know what could stand there.

_postkey() {
    local line=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^=:@]/} words typed head='' word _
    COMPREPLY=()
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=('')
    typed=${words[-1]}
    # readline replaces what follows the last of its word breaks, as the @ of an address.
    [[ $breaks ]] && head=${typed%"${typed##*[$breaks]}"}
    while IFS=$'\t' read -r word _; do
        if [[ $word == :files ]]; then
            compopt -o filenames
            while read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$2")
        else
            word=${word#"$head"}
            COMPREPLY+=("${word// /\\ }")
        fi
    done < <("$1" --complete "${words[@]:1}" 2>/dev/null)
}
complete -F _postkey postkey postkey-send postkey-queue
