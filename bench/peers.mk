# Targets of the benchmark; the Makefile includes this file.
PEERS := bench/.venv-peers
PEERS_READY := $(PEERS)/.ready

.PHONY: bench bench-quick bench-full bench-peers bench-coverage bench-report bench-claims bench-nation bench-evidence bench-implementations

bench: $(READY)
	$(BIN)/python bench/model/run.py
	$(BIN)/python bench/page.py

bench-quick: $(READY)
	$(BIN)/python bench/model/run.py --quick

bench-full: $(READY)
	$(BIN)/python bench/model/run.py --full
	$(BIN)/python bench/page.py

bench-report: $(READY)
	$(BIN)/python bench/report/run.py

# PEOPLE="50000 500000 5000000" for the whole nation: an hour to make, 20 GB
PEOPLE ?= 50000 500000

bench-claims: $(READY)
	$(BIN)/python bench/claims/data.py --people $(PEOPLE) --csv 50000
	$(BIN)/python bench/claims/read.py bench/.data/nation-50000-csv/claims --json bench/claims/read.json
	$(BIN)/python bench/claims/run.py $(foreach n,$(PEOPLE),--tables $(n)=bench/.data/tables-$(n)) --note "riskstd synth --scale"
	$(BIN)/python bench/page.py

bench-nation: $(READY)
	$(BIN)/python bench/claims/whole.py
	$(BIN)/python bench/page.py

bench-coverage: $(READY)
	$(BIN)/python bench/model/interval_coverage.py

bench-peers: $(PEERS_READY)
	@Rscript --vanilla -e 'for (p in c("lme4", "glmmTMB")) cat(p, as.character(packageVersion(p)), "\n")' 2>/dev/null \
	  || echo "without R's lme4 or glmmTMB their rows say 'not installed'; on Debian: apt-get install r-base-core r-cran-lme4 r-cran-glmmtmb"

$(PEERS_READY): bench/requirements-peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements-peers.txt
	@touch $(PEERS_READY)

bench-evidence: $(READY)
	$(BIN)/python bench/evidence/run.py
	$(BIN)/python bench/evidence/page.py

bench-implementations: $(READY) $(PEERS_READY)
	$(BIN)/python bench/implementations/run.py
	$(BIN)/python bench/implementations/page.py
