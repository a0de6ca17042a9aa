# fish: completion of postkey, postkey-send and postkey-queue. The programs know what could stand there.

function __postkey_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    set -l answer ($words[1] --complete $words[2..] "$typed" 2>/dev/null)
    string match --invert -- ':files' $answer
    if contains -- ':files' $answer
        __fish_complete_path "$typed"
    end
end

for program in postkey postkey-send postkey-queue
    complete --command $program --no-files --keep-order --arguments '(__postkey_complete)'
end
