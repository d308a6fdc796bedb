# SPDX-License-Identifier: Apache-2.0
# bash completion for fallow(1): commands, their options, jobs and workers
_fallow_jobs() {
	COMPREPLY=($(compgen -W "$(fallow squeue -h -t all -o %i 2>/dev/null)" \
		-- "$1"))
}
_fallow_options() {
	COMPREPLY=($(compgen -W "$(fallow "$1" --help 2>/dev/null |
		grep -oE -e '--[a-z][a-z-]*' | sort -u)" -- "$2"))
}
_fallow() {
	local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "$(fallow --help 2>/dev/null |
			sed -n 's/^  \([a-z-]*\) .*/\1/p')" -- "$cur"))
		return
	fi
	case $cur in
	-*)
		_fallow_options "$cmd" "$cur"
		return
		;;
	esac
	case $cmd in
	scancel | fetch | explain) _fallow_jobs "$cur" ;;
	scontrol)
		if [ "$COMP_CWORD" -eq 2 ]; then
			COMPREPLY=($(compgen -W \
				"show hold release ping version" -- "$cur"))
		elif [ "${COMP_WORDS[2]}" = show ] && [ "$COMP_CWORD" -eq 3 ]
		then
			COMPREPLY=($(compgen -W "job node partition config" \
				-- "$cur"))
		else
			_fallow_jobs "$cur"
		fi
		;;
	run | srun)
		if [ "$COMP_CWORD" -eq 2 ]; then
			local names='/^kernels:/,$s/^  \([a-z-]*\) .*/\1/p'
			COMPREPLY=($(compgen -W \
				"$(fallow run --help | sed -n "$names")" \
				-- "$cur"))
		else
			COMPREPLY=($(compgen -f -- "$cur"))
		fi
		;;
	*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	esac
}
complete -o filenames -F _fallow fallow
