suppressMessages({library(survival);library(riskRegression);library(prodlim);library(cmprsk);library(jsonlite)})
set.seed(20)
n <- 500; 
x <- rnorm(n); z <- 0.6*x + 0.8*rnorm(n)
cl <- sort(sample(1:300, n, replace=TRUE))
t1 <- rexp(n, 0.06*exp(0.7*x)); t2 <- rexp(n, 0.04*exp(0.3*x)); cc <- runif(n, 0.5, 9)
time <- pmin(t1,t2,cc); event <- ifelse(time==t1,1,ifelse(time==t2,2,0))
time <- round(time+0.05,1)
entry <- ifelse(runif(n)<0.3, round(time*runif(n)*0.6,1), 0)
w <- ifelse(event==1, 1, round(runif(n,4,12),2))
d <- data.frame(row=1:n,cluster=cl,time,event,entry,weight=w,x=round(x,2),z=round(z,2))
F <- function(s,t) 1-exp(-0.06*t*exp(0.7*s))
for (t in 1:5) { d[[paste0("riskA_",t)]] <- round(F(d$x,t)*0.9,5); d[[paste0("riskB_",t)]] <- round(F(d$z,t)*0.9,5) }
write.csv(d[,setdiff(names(d),"fac")],"competing.csv",row.names=FALSE)
tt <- 1:5; out <- list()
d$fac <- factor(d$event,0:2)
sf <- function(f) { s <- summary(f,times=tt,extend=TRUE); list(cancer=s$pstate[,2],death=s$pstate[,3],se=s$std.err[,2]) }
out$aj <- sf(survfit(Surv(time,fac)~1,data=d))
out$aj_weighted_cluster <- sf(survfit(Surv(time,fac)~1,data=d,weights=weight,id=row,cluster=cluster))
out$aj_cluster <- sf(survfit(Surv(time,fac)~1,data=d,id=row,cluster=cluster))
out$aj_entry <- sf(survfit(Surv(entry,time,fac)~1,data=d,id=row))
km <- function(f){ s<-summary(f,times=tt,extend=TRUE); list(surv=s$surv,se=s$std.err) }
out$km <- km(survfit(Surv(time,event==1)~1,data=d))
out$km_weighted_cluster <- km(survfit(Surv(time,event==1)~1,data=d,weights=weight,cluster=cluster))
out$km_entry <- km(survfit(Surv(entry,time,event==1)~1,data=d))
ci <- cuminc(d$time,d$event); tp <- timepoints(ci,tt); out$cuminc <- list(est=tp$est[1,],var=tp$var[1,])
p <- prodlim(Hist(time,event)~1,data=d); sp <- predict(p,times=tt,cause=1); 
out$prodlim <- list(cuminc=sp, se=p$se.cuminc[["1"]][sindex(p$time,tt)])
cn <- function(c) list(c=unname(coef(c)),se=sqrt(unname(vcov(c))))
s1 <- Surv(d$time,d$event==1)
out$c <- cn(concordance(s1~x,data=d,reverse=TRUE))
out$c_weighted_cluster <- cn(concordance(s1~x,data=d,weights=weight,cluster=cluster,reverse=TRUE))
out$c_uno5_weighted_cluster <- cn(concordance(s1~x,data=d,weights=weight,cluster=cluster,reverse=TRUE,timewt="n/G2",ymax=5))
out$c_uno5 <- cn(concordance(s1~x,data=d,reverse=TRUE,timewt="n/G2",ymax=5))
out$c_entry <- cn(concordance(Surv(entry,time,event==1)~x,data=d,reverse=TRUE))
A <- as.matrix(d[,paste0("riskA_",1:5)]); B <- as.matrix(d[,paste0("riskB_",1:5)])
sc <- Score(list(A=A,B=B),Hist(time,event)~1,data=d,times=tt,cause=1,metrics=c("auc","brier"),summary=c("ipa","ibs"),cens.model="km",conservative=FALSE,se.fit=TRUE)
out$score <- list(AUC=sc$AUC$score,AUC_contrasts=sc$AUC$contrasts,Brier=sc$Brier$score,Brier_contrasts=sc$Brier$contrasts)
cx <- function(f) { s<-summary(f)$coefficients; list(coef=unname(s[1,"coef"]),se=unname(s[1,if("robust se"%in%colnames(s)) "robust se" else "se(coef)"])) }
out$cox <- cx(coxph(s1~x,data=d)); out$cox_weighted_cluster <- cx(coxph(s1~x,data=d,weights=weight,cluster=cluster))
out$pseudo <- as.vector(jackknife(p,times=5,cause=1))[1:20]
ps <- as.vector(jackknife(p,times=5,cause=1)); cll <- log(-log(1-d$riskA_5))
start <- 0
g <- glm(ps ~ cll, family=gaussian(link=make.link("cloglog")), start=c(0,1)); 
out$pseudo_slope <- list(coef=unname(coef(g)))
h <- 1*(d$riskA_5>=0.15)
out$nb15 <- list(all=sf(survfit(Surv(time,fac)~1,data=d))$cancer[5], pos=mean(h), inc=sf(survfit(Surv(time,fac)~1,data=d[h==1,]))$cancer[5])
library(geepack)
d$ps <- ps; d$cll <- cll
gg <- function(f) { m <- summary(f)$mean; list(coef=m$estimate, se=m$san.se) }
out$gee_intercept <- gg(geese(ps~offset(cll),data=d,id=seq_len(nrow(d)),scale.fix=TRUE,family=gaussian,mean.link="cloglog",corstr="independence",jack=FALSE))
out$gee_slope <- gg(geese(ps~offset(cll)+cll,data=d,id=seq_len(nrow(d)),scale.fix=TRUE,family=gaussian,mean.link="cloglog",corstr="independence",jack=FALSE))
out$gee_slope_weighted_cluster <- gg(geese(ps~offset(cll)+cll,data=d,id=d$cluster,weights=d$weight,scale.fix=TRUE,family=gaussian,mean.link="cloglog",corstr="independence",jack=FALSE))
write(toJSON(out,digits=12,auto_unbox=TRUE,dataframe="columns",na="null"),"competing.json")
cat("ok\n")
